/**
 * A device in one plain file, sparse, through the page cache but for large writes (direct-writes.ts).
 *
 * 1. The file is closed only when no read or write is on its way: its descriptors could be another
 *    file's by then.
 * 2. What was written to the page cache goes to the disk soon, while its writer goes on: so that a sync has little left to wait for. Of a
 *    disk that is fast the page cache lets it go a while later. No more than one thread is occupied with that.
 * 3. No more than `maxDeviceWrites` occupy threads at a time: the file system makes some wait for others.
 */
import { constants, fdatasync, fstatSync, read, statfsSync, writev } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { directAlignmentBytes, systemError } from '../../network/disk/direct-io.ts'
import type { Env } from '../../network/env/env.ts'
import { realEnv } from '../../network/env/real.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import {
  cachedReadBytes,
  earlyWriteBytes,
  maxDeviceWrites,
  shortRoomFraction,
} from '../../network/limits.ts'
import type { DataFile } from '../../network/wire/operations.ts'
import { cachedRead } from './cached-read.ts'
import type { Device, DeviceSpace } from './contract.ts'
import { type DirectWrites, openDirectWrites } from './direct-writes.ts'
import { DoneRanges } from './done-ranges.ts'
import { fileRange, isUnsupported, type Ranges, rangeOf } from './file-range.ts'
import { leftToOthers } from './reserve.ts'

/** Unit of `blocks` in stat(2). */
const statBlockBytes = 512

export interface FileDeviceOptions {
  readonly env?: Pick<Env, 'clock'>
  /** What others on the same file system need to go on, by its size, both in bytes. */
  readonly neededByOthers?: ((totalBytes: number) => number) | undefined
}

/** Opens the file, or makes it. @throws ClusterError DISK, PosixError ENOSPC. */
export async function openFileDevice(
  path: string,
  { env = realEnv(), neededByOthers = nothing }: FileDeviceOptions = {},
): Promise<Device> {
  let handle: FileHandle | null = null
  try {
    handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    await syncDirectory(dirname(path))
    const { dev, ino } = await handle.stat({ bigint: true })
    const file = { path: resolve(path), device: dev, inode: ino }
    const direct = await openDirectWrites(handle, env.clock)
    return new FileDevice(path, file, handle, direct, neededByOthers)
  } catch (error) {
    await handle?.close().catch(() => undefined)
    throw diskError(path, 'open', error)
  }
}

/** A new file or directory outlasts a power failure only once the directory it is in is on the disk. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

const nothing = () => 0
const noRanges: Ranges = new Float64Array(0)
/** To the end of the file (posix_fadvise(2)), as pages that lie in part within a range would stay. */
const everything = rangeOf(0, 0)

class FileDevice implements Device {
  readonly name: string
  readonly file: DataFile
  readonly #handle: FileHandle
  readonly #direct: DirectWrites | null
  readonly #neededByOthers: (totalBytes: number) => number
  readonly #idle: PromiseWithResolvers<void> = Promise.withResolvers()
  #closing: Promise<void> | null = null
  #inFlight = 0
  #writing = 0
  /** Each is called when it is its turn. */
  readonly #waiting: (() => void)[] = []
  /** Written to the page cache since the disk was last made to begin. */
  #heldBackBytes = 0
  readonly #done = new DoneRanges()
  #sending = false

  constructor(
    path: string,
    file: DataFile,
    handle: FileHandle,
    direct: DirectWrites | null,
    neededByOthers: (totalBytes: number) => number,
  ) {
    this.name = path
    this.file = file
    this.#handle = handle
    this.#direct = direct
    this.#neededByOthers = neededByOthers
  }

  /** A shared file system's free space counts as ours, but for a reserve. */
  space(): Promise<DeviceSpace> {
    return this.#run('space', async () => {
      const status = fstatSync(this.#handle.fd)
      const system = statfsSync(this.name)
      const totalBytes = system.blocks * system.bsize
      const heldBytes = status.blocks * statBlockBytes
      const [left, kept] = leftToOthers(totalBytes, this.#neededByOthers(totalBytes))
      const roomBytes = system.bavail * system.bsize - left
      return {
        capacityBytes: Math.max(status.size, heldBytes + roomBytes),
        heldBytes,
        roomBytes,
        reserveBytes: left - kept,
        isShort: roomBytes < totalBytes * shortRoomFraction,
      }
    })
  }

  read(position: number, target: Uint8Array, isLast = false): Promise<void> {
    return this.#run('read', async () => {
      if (isLast) this.#noteDone(position, target.length)
      for (let done = this.#readCached(position, target); done < target.length; ) {
        const count = await this.#readSome(position + done, target, done)
        if (count === 0) target.fill(0, done)
        done = count === 0 ? target.length : done + count
      }
    })
  }

  write(position: number, pieces: readonly Uint8Array[], staysInMemory = false): Promise<void> {
    return this.#run('write', () =>
      this.#inTurn(() => this.#writeAll(position, pieces, staysInMemory)),
    )
  }

  async #writeAll(
    position: number,
    pieces: readonly Uint8Array[],
    staysInMemory: boolean,
  ): Promise<void> {
    const bytes = bytesIn(pieces)
    const direct = !staysInMemory && this.#direct?.takes(position, bytes) ? this.#direct : null
    if (await direct?.write(position, pieces, bytes)) return
    let left = pieces.filter(piece => piece.length > 0)
    for (let at = position; left.length > 0; ) {
      const count = await this.#writeSome(at, left)
      if (count === 0) throw new ClusterError('DISK', `${this.name}: the disk takes no more bytes`)
      at += count
      left = withoutFirst(left, count)
    }
    this.#noteDone(position, bytes)
    this.#heldBackBytes += bytes
    if (this.#heldBackBytes >= earlyWriteBytes) this.#sendSoon()
  }

  /** What is there need not stay in the page cache for long. */
  #noteDone(position: number, bytes: number): void {
    // Nobody else's is in the rest of its last unit, and less than a page would not go.
    const whole = Math.ceil(bytes / directAlignmentBytes) * directAlignmentBytes
    this.#done.add(position, whole)
  }

  /** In the order in which they came, no more than `maxDeviceWrites` at a time. */
  async #inTurn(write: () => Promise<void>): Promise<void> {
    if (this.#writing < maxDeviceWrites) this.#writing++
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      await write()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#writing--
      else next()
    }
  }

  hold(position: number, length: number): Promise<void> {
    return this.#run('allocation', async () => {
      const errno = await fileRange.hold(this.#handle.fd, rangeOf(position, length))
      if (errno !== 0 && !isUnsupported(errno)) throw systemError(errno)
    })
  }

  giveBack(position: number, length: number): Promise<boolean> {
    return this.#run('punch', async () => {
      const errno = await fileRange.giveBack(this.#handle.fd, rangeOf(position, length))
      if (errno !== 0 && !isUnsupported(errno)) throw systemError(errno)
      return errno === 0
    })
  }

  sync(): Promise<void> {
    return this.#run('sync', () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      fdatasync(this.#handle.fd, error => (error ? reject(error) : resolve()))
      return promise
    })
  }

  uncache(): Promise<void> {
    return this.#run('drop from the page cache', async () => {
      // The kernel keeps what is on its way; what that fails with is for whoever syncs next.
      await this.sync().catch(() => undefined)
      await fileRange.send(this.#handle.fd, everything)
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#inFlight > 0) await this.#idle.promise
    try {
      await Promise.all([this.#direct?.close(), this.#handle.close()])
    } catch (error) {
      throw diskError(this.name, 'close', error)
    }
  }

  async #run<T>(what: string, operation: () => Promise<T>): Promise<T> {
    if (this.#closing) throw new ClusterError('CLOSED', this.name)
    this.#inFlight++
    try {
      return await operation()
    } catch (error) {
      throw diskError(this.name, what, error)
    } finally {
      this.#inFlight--
      if (this.#inFlight === 0 && this.#closing) this.#idle.resolve()
    }
  }

  /** What is short and in the page cache is read at once. @returns how much that was. */
  #readCached(position: number, target: Uint8Array): number {
    if (target.length > cachedReadBytes) return 0
    return Math.max(0, cachedRead.read(this.#handle.fd, target, position))
  }

  /** Nobody waits for it but `close`; should it fail, syncs tell. */
  #sendSoon(): void {
    if (this.#sending || this.#closing) return
    this.#sending = true
    this.#heldBackBytes = 0
    const old = this.#done.takeOld()
    const done = this.#direct?.isFast ? old : noRanges
    void this.#run('early write', async () => {
      await fileRange.send(this.#handle.fd, done).finally(() => {
        this.#sending = false
      })
    })
  }

  #readSome(position: number, target: Uint8Array, done: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const length = target.length - done
      read(this.#handle.fd, target, done, length, position, (error, count) =>
        error ? reject(error) : resolve(count),
      )
    })
  }

  #writeSome(position: number, pieces: readonly Uint8Array[]): Promise<number> {
    return new Promise((resolve, reject) => {
      writev(this.#handle.fd, pieces, position, (error, count) =>
        error ? reject(error) : resolve(count),
      )
    })
  }
}

function bytesIn(pieces: readonly Uint8Array[]): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}

function withoutFirst(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes
  const left: Uint8Array[] = []
  for (const piece of pieces) {
    if (skip < piece.length) left.push(piece.subarray(skip))
    skip = Math.max(0, skip - piece.length)
  }
  return left
}

function diskError(name: string, what: string, cause: unknown): Error {
  if (cause instanceof ClusterError || cause instanceof PosixError) return cause
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new PosixError('ENOSPC', `${what} of ${name}`, { cause })
  }
  return new ClusterError('DISK', `${what} of ${name} failed (${code || 'unknown error'})`, {
    cause,
  })
}
