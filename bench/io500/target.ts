/** What a worker works on. Calls return promises only where the target cannot answer at once. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs'

export type Now<T> = T | Promise<T>

export type Access = 'read' | 'write' | 'create'

export interface TargetFile {
  /** Reads exactly so much, or fails. */
  read(into: Uint8Array, offset: number): Now<void>
  write(data: Uint8Array, offset: number): Now<void>
  sync(): Now<void>
  close(): Now<void>
}

export interface TargetStat {
  readonly size: number
  /** Milliseconds since 1970. */
  readonly mtimeMs: number
}

/** Paths are below the target's own directory, and begin with a slash. */
export interface Target {
  makeDirectory(path: string): Now<void>
  open(path: string, access: Access): Now<TargetFile>
  stat(path: string): Now<TargetStat>
  remove(path: string): Now<void>
  list(path: string): AsyncIterable<string>
  /** Has what this machine still holds in memory written to its disks. */
  flush(): Now<void>
}

export const openFlags = { read: 'r', write: 'r+', create: 'wx' } as const

/** A directory of any file system, through synchronous system calls: one call at a time, as MPI programs do. */
export class DirectoryTarget implements Target {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  makeDirectory(path: string): void {
    mkdirSync(this.#root + path, { recursive: true })
  }

  open(path: string, access: Access): TargetFile {
    return new DescriptorFile(openSync(this.#root + path, openFlags[access]))
  }

  stat(path: string): TargetStat {
    return lstatSync(this.#root + path)
  }

  remove(path: string): void {
    unlinkSync(this.#root + path)
  }

  async *list(path: string): AsyncIterable<string> {
    const directory = opendirSync(this.#root + path, { bufferSize: 1024 })
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        yield entry.name
      }
    } finally {
      directory.closeSync()
    }
  }

  flush(): void {
    flushMachine()
  }
}

/** sync(1), since Node has no sync(2); mdtest runs it, too, at the end of what it writes (-Y). */
export function flushMachine(): void {
  execFileSync('sync')
}

class DescriptorFile implements TargetFile {
  readonly #descriptor: number

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  read(into: Uint8Array, offset: number): void {
    for (let done = 0; done < into.length; ) {
      const read = readSync(this.#descriptor, into, done, into.length - done, offset + done)
      if (read === 0) throw new Error(`the file ends at ${offset + done}`)
      done += read
    }
  }

  write(data: Uint8Array, offset: number): void {
    for (let done = 0; done < data.length; ) {
      done += writeSync(this.#descriptor, data, done, data.length - done, offset + done)
    }
  }

  sync(): void {
    fsyncSync(this.#descriptor)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}
