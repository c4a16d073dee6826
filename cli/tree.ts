/**
 * What the file commands need of a file system: the shapes of node:fs/promises, so that a volume and the
 * machine's own files are handled by one code. Names are told as bytes: they need not be UTF-8.
 */
import type { Path } from './tree-path.ts'

export interface TreeStats {
  readonly ino: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly atime: Date
  readonly mtime: Date
  readonly ctime: Date
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

export interface TreeHandle {
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>
  /** Without a position, where the last one ended. */
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ readonly bytesWritten: number }>
  chmod(mode: number): Promise<void>
  chown(uid: number, gid: number): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

export interface Tree {
  stat(path: Path): Promise<TreeStats>
  lstat(path: Path): Promise<TreeStats>
  readdir(path: Path, encoding: 'buffer'): Promise<Buffer[]>
  mkdir(path: Path, mode: number): Promise<unknown>
  open(path: Path, flags: string | number, mode?: number): Promise<TreeHandle>
  rename(from: Path, to: Path): Promise<void>
  unlink(path: Path): Promise<void>
  rmdir(path: Path): Promise<void>
  readlink(path: Path, encoding: 'buffer'): Promise<Buffer>
  symlink(target: Path, path: Path): Promise<void>
}

export interface Place {
  readonly tree: Tree
  readonly path: Path
}
