/** The Node library as the suite wants it. */
import type { Connection, FileHandle } from '../../client/library.ts'
import type { Entry, Fs, Handle, Path } from './check.ts'

function handleOver(file: FileHandle): Handle {
  return {
    read: (buffer, offset, length, position) => file.read(buffer, offset, length, position),
    write: (buffer, offset, length, position) => file.write(buffer, offset, length, position),
    stat: () => file.stat({ bigint: true }),
    truncate: length => file.truncate(length),
    chmod: mode => file.chmod(mode),
    utimes: (atime, mtime) => file.utimes(atime, mtime),
    sync: () => file.sync(),
    datasync: () => file.datasync(),
    close: () => file.close(),
  }
}

export function overLibrary(files: Connection): Fs {
  function readdir(path: Path): Promise<string[]>
  function readdir(path: Path, options: { readonly encoding: 'buffer' }): Promise<Buffer[]>
  function readdir(path: Path, options: { readonly withFileTypes: true }): Promise<Entry[]>
  async function readdir(
    path: Path,
    options: { readonly encoding?: 'buffer'; readonly withFileTypes?: true } = {},
  ): Promise<string[] | Buffer[] | Entry[]> {
    if (options.withFileTypes === true) return await files.readdir(path, { withFileTypes: true })
    if (options.encoding === 'buffer') return await files.readdir(path, { encoding: 'buffer' })
    return await files.readdir(path)
  }
  return {
    open: async (path, flags, mode) => handleOver(await files.open(path, flags, mode)),
    readFile: path => files.readFile(path),
    writeFile: (path, data, options) => files.writeFile(path, data, options),
    appendFile: (path, data) => files.appendFile(path, data),
    copyFile: (from, to) => files.copyFile(from, to),
    truncate: (path, length) => files.truncate(path, length),
    mkdir: (path, options) => files.mkdir(path, options),
    rmdir: path => files.rmdir(path),
    unlink: path => files.unlink(path),
    rm: (path, options) => files.rm(path, options),
    rename: (from, to) => files.rename(from, to),
    link: (existing, path) => files.link(existing, path),
    symlink: (target, path) => files.symlink(target, path),
    readlink: path => files.readlink(path),
    readdir,
    stat: path => files.stat(path, { bigint: true }),
    lstat: path => files.lstat(path, { bigint: true }),
    statfs: path => files.statfs(path),
    access: (path, mode) => files.access(path, mode),
    realpath: path => files.realpath(path),
    chmod: (path, mode) => files.chmod(path, mode),
    chown: (path, uid, gid) => files.chown(path, uid, gid),
    lchown: (path, uid, gid) => files.lchown(path, uid, gid),
    utimes: (path, atime, mtime) => files.utimes(path, atime, mtime),
    lutimes: (path, atime, mtime) => files.lutimes(path, atime, mtime),
  }
}
