/**
 * A device in one plain file, sparse, through the page cache.
 *
 * 1. The file is closed only when no read or write is on its way: its descriptor could be another
 *    file's by then.
 */
import { constants, fdatasync, fstatSync, read, statfsSync, writev } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ClusterError, PosixError } from '../../network/errors.ts'
import { cachedReadBytes, diskReserveBytes, diskReserveFraction } from '../../network/limits.ts'
import { cachedRead } from './cached-read.ts'
import type { Device, DeviceSpace } from './contract.ts'

/** Unit of `blocks` in stat(2). */
const statBlockBytes = 512

/** Opens the file, or makes it. @throws ClusterError DISK, PosixError ENOSPC. */
export async function openFileDevice(path: string): Promise<Device> {
  try {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    await syncDirectory(dirname(path))
    return new FileDevice(path, handle)
  } catch (error) {
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

class FileDevice implements Device {
  readonly name: string
  readonly #handle: FileHandle
  readonly #idle: PromiseWithResolvers<void> = Promise.withResolvers()
  #closing: Promise<void> | null = null
  #inFlight = 0

  constructor(path: string, handle: FileHandle) {
    this.name = path
    this.#handle = handle
  }

  /** A shared file system's free space counts as ours, but for a reserve. */
  space(): Promise<DeviceSpace> {
    return this.#run('space', async () => {
      const status = fstatSync(this.#handle.fd)
      const system = statfsSync(this.name)
      const totalBytes = system.blocks * system.bsize
      const reserve = Math.min(diskReserveBytes, Math.floor(totalBytes * diskReserveFraction))
      const usable = status.blocks * statBlockBytes + system.bavail * system.bsize - reserve
      return { capacityBytes: Math.max(status.size, usable) }
    })
  }

  read(position: number, target: Uint8Array): Promise<void> {
    return this.#run('read', async () => {
      for (let done = this.#readCached(position, target); done < target.length; ) {
        const count = await this.#readSome(position + done, target, done)
        if (count === 0) target.fill(0, done)
        done = count === 0 ? target.length : done + count
      }
    })
  }

  write(position: number, pieces: readonly Uint8Array[]): Promise<void> {
    return this.#run('write', async () => {
      let left = pieces.filter(piece => piece.length > 0)
      for (let at = position; left.length > 0; ) {
        const count = await this.#writeSome(at, left)
        if (count === 0)
          throw new ClusterError('DISK', `${this.name}: the disk takes no more bytes`)
        at += count
        left = withoutFirst(left, count)
      }
    })
  }

  sync(): Promise<void> {
    return this.#run('sync', () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      fdatasync(this.#handle.fd, error => (error ? reject(error) : resolve()))
      return promise
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#inFlight > 0) await this.#idle.promise
    try {
      await this.#handle.close()
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
