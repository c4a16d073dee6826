/** An open file, shaped like FileHandle of node:fs/promises. */
import { PosixError } from '../../network/errors.ts'
import { maxCopyBytes } from '../../network/limits.ts'
import type { FileSystem, OpenFile } from '../fs/contract.ts'
import { bytesOf, type Data, type EncodingOption, encodingOf, piecesOf } from './data.ts'
import { asNode } from './node-error.ts'
import type { OpenFlags } from './open-flags.ts'
import { ownersOf } from './owners.ts'
import { type BigIntStats, type StatOptions, type Stats, statsOf } from './stats.ts'
import { nsOf, type Time } from './time.ts'

export interface ReadResult<B extends ArrayBufferView> {
  readonly bytesRead: number
  readonly buffer: B
}

export interface WriteResult {
  readonly bytesWritten: number
}

export interface ReadOptions<B extends ArrayBufferView> {
  readonly buffer: B
  readonly offset?: number | null
  readonly length?: number | null
  readonly position?: number | bigint | null
}

/** One request of a reader that wants everything: several blocks, fetched in parallel. */
const readStepBytes = 4 * 1024 * 1024

/** `path` is for messages. Without a position, reads and writes go on where the last one ended. */
export class FileHandle {
  readonly #fileSystem: FileSystem
  readonly #file: OpenFile
  readonly #flags: OpenFlags
  readonly #path: string
  #position = 0
  #open = true

  constructor(fileSystem: FileSystem, file: OpenFile, flags: OpenFlags, path: string) {
    this.#fileSystem = fileSystem
    this.#file = file
    this.#flags = flags
    this.#path = path
  }

  read<B extends ArrayBufferView>(
    buffer: B,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<ReadResult<B>>
  read<B extends ArrayBufferView>(options: ReadOptions<B>): Promise<ReadResult<B>>
  async read<B extends ArrayBufferView>(
    first: B | ReadOptions<B>,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<ReadResult<B>> {
    const options = ArrayBuffer.isView(first) ? { buffer: first, offset, length, position } : first
    const target = bytesOf(options.buffer)
    const from = options.offset ?? 0
    const wanted = options.length ?? target.length - from
    return this.#do('read', async () => {
      if (from < 0 || wanted < 0 || from + wanted > target.length) throw new PosixError('EINVAL')
      const bytesRead = await this.#readInto(target.subarray(from, from + wanted), options.position)
      return { bytesRead, buffer: options.buffer }
    })
  }

  async write(
    data: string | ArrayBufferView,
    offsetOrPosition?: number | null,
    lengthOrEncoding?: number | BufferEncoding | null,
    position?: number | null,
  ): Promise<WriteResult & { readonly buffer: string | ArrayBufferView }> {
    return this.#do('write', async () => {
      if (typeof data === 'string') {
        const encoding = typeof lengthOrEncoding === 'string' ? lengthOrEncoding : null
        await this.#put(bytesOf(data, encoding), offsetOrPosition)
        return { bytesWritten: Buffer.byteLength(data, encoding ?? 'utf8'), buffer: data }
      }
      const bytes = bytesOf(data)
      const from = offsetOrPosition ?? 0
      const length = typeof lengthOrEncoding === 'number' ? lengthOrEncoding : bytes.length - from
      if (from < 0 || length < 0 || from + length > bytes.length) throw new PosixError('EINVAL')
      await this.#put(bytes.subarray(from, from + length), position)
      return { bytesWritten: length, buffer: data }
    })
  }

  readFile(options?: { readonly encoding?: null } | null): Promise<Buffer>
  readFile(options: BufferEncoding | { readonly encoding: BufferEncoding }): Promise<string>
  readFile(options?: EncodingOption): Promise<Buffer | string>
  async readFile(options?: EncodingOption): Promise<Buffer | string> {
    return this.#do('read', async () => {
      const pieces: Uint8Array[] = []
      for (;;) {
        const part = await this.#get(this.#position, readStepBytes)
        const length = part.reduce((sum, piece) => sum + piece.length, 0)
        if (length === 0) break
        for (const piece of part) pieces.push(piece)
        this.#position += length
      }
      const data = Buffer.concat(pieces)
      const encoding = encodingOf(options)
      return encoding === null ? data : data.toString(encoding)
    })
  }

  /** From the current position on; what is behind stays. */
  async writeFile(data: Data, options?: EncodingOption): Promise<void> {
    await this.#do('write', async () => {
      for await (const piece of piecesOf(data, encodingOf(options))) await this.#put(piece)
    })
  }

  async appendFile(data: Data, options?: EncodingOption): Promise<void> {
    await this.writeFile(data, options)
  }

  stat(options?: { readonly bigint?: false | undefined } | null): Promise<Stats>
  stat(options: { readonly bigint: true }): Promise<BigIntStats>
  async stat(options?: StatOptions | null): Promise<Stats | BigIntStats> {
    return this.#do('fstat', async () => {
      return statsOf(await this.#fileSystem.getattr(this.#file.ino), options)
    })
  }

  /** All of `source`, to the same places here: from server to server, and holes stay holes. */
  async copyFrom(source: FileHandle): Promise<void> {
    await this.#do('copy_file_range', async () => {
      for (let at = 0; ; ) {
        const range = { from: at, to: at, length: maxCopyBytes }
        const copied = await this.#fileSystem.copyRange(source.#file, this.#file, range, {})
        if (copied === 0) return
        at += copied
      }
    })
  }

  async truncate(size = 0): Promise<void> {
    await this.#do('ftruncate', async () => {
      if (!this.#flags.writable) throw new PosixError('EINVAL')
      await this.#fileSystem.setattr(this.#file.ino, { size: Math.max(0, size) })
    })
  }

  async chmod(mode: number): Promise<void> {
    await this.#do('fchmod', () => this.#fileSystem.setattr(this.#file.ino, { mode }))
  }

  async chown(uid: number, gid: number): Promise<void> {
    await this.#do('fchown', () => this.#fileSystem.setattr(this.#file.ino, ownersOf(uid, gid)))
  }

  async utimes(atime: Time, mtime: Time): Promise<void> {
    const times = { atimeNs: nsOf(atime), mtimeNs: nsOf(mtime) }
    await this.#do('futime', () => this.#fileSystem.setattr(this.#file.ino, times))
  }

  async sync(): Promise<void> {
    await this.#do('fsync', () => this.#fileSystem.fsync(this.#file.ino, this.#file))
  }

  async datasync(): Promise<void> {
    await this.#do('fdatasync', () => this.#fileSystem.fsync(this.#file.ino, this.#file))
  }

  async close(): Promise<void> {
    await this.#do('close', async () => {
      this.#open = false
      try {
        await this.#fileSystem.flush(this.#file)
      } finally {
        this.#fileSystem.release(this.#file)
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#open) await this.close()
  }

  async #readInto(target: Uint8Array, position?: number | bigint | null): Promise<number> {
    const explicit = position !== undefined && position !== null && position >= 0
    const at = explicit ? Number(position) : this.#position
    let bytes = 0
    for (const piece of await this.#get(at, target.length)) {
      target.set(piece, bytes)
      bytes += piece.length
    }
    if (!explicit) this.#position += bytes
    return bytes
  }

  async #get(position: number, length: number): Promise<readonly Uint8Array[]> {
    if (!this.#flags.readable) throw new PosixError('EBADF', 'not open for reading')
    return this.#fileSystem.read(this.#file, position, length)
  }

  async #put(data: Uint8Array, position?: number | null): Promise<void> {
    const { writable, append, sync } = this.#flags
    if (!writable) throw new PosixError('EBADF', 'not open for writing')
    const explicit = typeof position === 'number' && position >= 0
    await this.#fileSystem.write(this.#file, explicit ? position : this.#position, data, { append })
    if (sync) await this.#fileSystem.fsync(this.#file.ino, this.#file)
    if (!explicit && !append) this.#position += data.length
  }

  #do<T>(syscall: string, work: () => Promise<T>): Promise<T> {
    return asNode({ syscall, path: this.#path }, async () => {
      if (!this.#open) throw new PosixError('EBADF', 'the file was closed')
      return work()
    })
  }
}
