/**
 * What the file commands need of a file system: the shapes of node:fs/promises, so that a volume and the
 * machine's own files are handled by one code.
 */

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
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>
  sync(): Promise<void>
  close(): Promise<void>
}

export interface Tree {
  stat(path: string): Promise<TreeStats>
  lstat(path: string): Promise<TreeStats>
  readdir(path: string): Promise<string[]>
  mkdir(path: string, mode: number): Promise<unknown>
  open(path: string, flags: string, mode?: number): Promise<TreeHandle>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  rmdir(path: string): Promise<void>
  readlink(path: string): Promise<string>
  symlink(target: string, path: string): Promise<void>
}
