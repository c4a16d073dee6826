/** This machine's own files, as the file commands see them. */
import {
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rmdir,
  stat,
  symlink,
  unlink,
} from 'node:fs/promises'
import type { Tree } from './tree.ts'

export const localTree: Tree = {
  stat: path => stat(path),
  lstat: path => lstat(path),
  readdir: path => readdir(path, 'buffer'),
  mkdir: (path, mode) => mkdir(path, { mode }),
  open: (path, flags, mode) => open(path, flags, mode),
  rename,
  unlink,
  rmdir,
  readlink: path => readlink(path, 'buffer'),
  symlink: (target, path) => symlink(target, path),
}
