/**
 * What a check of the POSIX suite is, and the part of `node:fs/promises` that it may use: so that
 * the same checks run on a directory of the host, on a mount and over the library.
 */
import type { ExecutionContext } from 'ava'

export type Path = string | Buffer

export interface Stats {
  readonly ino: bigint
  readonly mode: bigint
  readonly nlink: bigint
  readonly uid: bigint
  readonly gid: bigint
  readonly size: bigint
  readonly blocks: bigint
  readonly blksize: bigint
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

export interface Entry {
  readonly name: string
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

export interface SpaceStats {
  readonly bsize: number
  readonly blocks: number
  readonly bfree: number
  readonly bavail: number
  readonly files: number
  readonly ffree: number
}

export interface Handle {
  read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ readonly bytesRead: number }>
  write(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ readonly bytesWritten: number }>
  stat(options: { readonly bigint: true }): Promise<Stats>
  truncate(length: number): Promise<void>
  chmod(mode: number): Promise<void>
  utimes(atime: number, mtime: number): Promise<void>
  sync(): Promise<void>
  datasync(): Promise<void>
  close(): Promise<void>
}

export interface Fs {
  open(path: Path, flags: string | number, mode?: number): Promise<Handle>
  readFile(path: Path): Promise<Buffer>
  writeFile(
    path: Path,
    data: Buffer | string,
    options?: { readonly flag?: string; readonly mode?: number },
  ): Promise<void>
  appendFile(path: Path, data: Buffer | string): Promise<void>
  copyFile(from: Path, to: Path): Promise<void>
  truncate(path: Path, length: number): Promise<void>
  mkdir(
    path: Path,
    options?: { readonly recursive?: boolean; readonly mode?: number },
  ): Promise<unknown>
  rmdir(path: Path): Promise<void>
  unlink(path: Path): Promise<void>
  rm(path: Path, options: { readonly recursive: boolean; readonly force: boolean }): Promise<void>
  rename(from: Path, to: Path): Promise<void>
  link(existing: Path, path: Path): Promise<void>
  symlink(target: Path, path: Path): Promise<void>
  readlink(path: Path): Promise<string>
  readdir(path: Path): Promise<string[]>
  readdir(path: Path, options: { readonly encoding: 'buffer' }): Promise<Buffer[]>
  readdir(path: Path, options: { readonly withFileTypes: true }): Promise<Entry[]>
  stat(path: Path, options: { readonly bigint: true }): Promise<Stats>
  lstat(path: Path, options: { readonly bigint: true }): Promise<Stats>
  statfs(path: Path): Promise<SpaceStats>
  access(path: Path, mode?: number): Promise<void>
  realpath(path: Path): Promise<string>
  chmod(path: Path, mode: number): Promise<void>
  chown(path: Path, uid: number, gid: number): Promise<void>
  lchown(path: Path, uid: number, gid: number): Promise<void>
  utimes(path: Path, atime: number, mtime: number): Promise<void>
  lutimes(path: Path, atime: number, mtime: number): Promise<void>
}

/** @param directory existing, empty, the check's own. */
export type Check = (t: ExecutionContext, fs: Fs, directory: string) => Promise<void>

/** By title; each title is a claim. */
export type Checks = Readonly<Record<string, Check>>
