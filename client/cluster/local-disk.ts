/**
 * Short-circuit local reads: the data file of a server on this machine, read past the server, which only says where a
 * block lies.
 *
 * 1. Whoever may open the file may read all of it: its permissions are those of the disk's owner, and nothing is granted here.
 * 2. Nobody holds still what is read: it is what it should be only if its checksums say so, which is for the caller to see.
 *    Where they do not, or nothing could be read, the server itself is to be asked.
 * 3. A disk that could not be read is not read again on this connection; one that lets somebody wait too long, as any other of the
 *    machine, not before it goes on (local-reads.ts).
 */
import { constants } from 'node:fs'
import { type FileHandle, lstat, open } from 'node:fs/promises'
import { localReadBytes } from '../../network/limits.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import type { DataFile, ReadBlockRequest, SessionReply } from '../../network/wire/operations.ts'
import type { Payload } from './contract.ts'
import type { LocalReads } from './local-reads.ts'

const noPayload: Payload = []

export class LocalDisk {
  readonly #reads: LocalReads
  readonly #boot: string
  /** Of the connection there is now; what was opened for another is closed when it is there. */
  #file: DataFile | null = null
  #handle: FileHandle | null = null

  /**
   * @param reads of all disks of the machine together.
   * @param boot of this machine; empty where it does not tell.
   */
  constructor(reads: LocalReads, boot: string) {
    this.#reads = reads
    this.#boot = boot
  }

  /** A session was opened; the file is there soon. */
  told({ boot, dataFile }: Pick<SessionReply, 'boot' | 'dataFile'>): void {
    if (dataFile === undefined || boot !== this.#boot || this.#file !== null) return
    const file = { ...dataFile }
    this.#file = file
    void opened(file).then(handle => {
      if (this.#file === file) this.#handle = handle
      else closeSoon(handle)
    })
  }

  /** The connection is gone: behind another one may be another server. */
  close(): void {
    closeSoon(this.#handle)
    this.#file = null
    this.#handle = null
  }

  /** Whether the server may be asked for the place of data. What is short comes faster from there. */
  mayRead({ length }: ReadBlockRequest): boolean {
    return this.#handle !== null && length >= localReadBytes && !this.#reads.isHeldUp
  }

  /** With the data that the reply tells the place of; without any, where it cannot be had from there. */
  async filled({ body, payload }: Reply<'readBlock'>, length: number): Promise<Reply<'readBlock'>> {
    const { places } = body
    if (places === undefined) return { body, payload }
    const handle = this.#handle
    const data = handle && (await this.#read(handle, places, length))
    return { body, payload: data === null ? noPayload : [data] }
  }

  /** @returns null where there is nothing, for now or for good. */
  async #read(
    handle: FileHandle,
    places: readonly number[],
    length: number,
  ): Promise<Uint8Array | null> {
    try {
      return await this.#reads.inTime(() => read(handle, places, length))
    } catch {
      if (this.#handle === handle) this.#giveUp()
      return null
    }
  }

  /** Keeps the file's name, so that it is not opened again. */
  #giveUp(): void {
    closeSoon(this.#handle)
    this.#handle = null
  }
}

/** @returns null unless that very file can be read here. */
async function opened({ path, device, inode }: DataFile): Promise<FileHandle | null> {
  const isIt = (found: { dev: bigint; ino: bigint; isFile(): boolean }) =>
    found.isFile() && found.dev === device && found.ino === inode
  let handle: FileHandle | null = null
  try {
    // To open what is no plain file may do something to it.
    if (!isIt(await lstat(path, { bigint: true }))) return null
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    if (isIt(await handle.stat({ bigint: true }))) return handle
  } catch {
    // Another user's, or not to be seen from here: then the server is asked for data.
  }
  closeSoon(handle)
  return null
}

/** @throws Error when there is not all of it, or `places` are none. */
async function read(
  handle: FileHandle,
  places: readonly number[],
  length: number,
): Promise<Uint8Array> {
  const data = Buffer.allocUnsafeSlow(length)
  const reads: Promise<void>[] = []
  let end = 0
  for (let at = 0; at < places.length; at += 3) {
    const [position = -1, start = -1, bytes = -1] = places.slice(at, at + 3)
    if (!(position >= 0 && start >= end && bytes > 0 && start + bytes <= length)) {
      throw new RangeError(`no place of ${length} bytes: ${bytes} at ${start}, after ${end}`)
    }
    data.fill(0, end, start)
    end = start + bytes
    reads.push(readRun(handle, position, data.subarray(start, end)))
  }
  data.fill(0, end)
  await Promise.all(reads)
  return data
}

async function readRun(handle: FileHandle, position: number, target: Uint8Array): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await handle.read(target, done, target.length - done, position + done)
    if (bytesRead === 0) throw new RangeError('the data file ends before its data')
    done += bytesRead
  }
}

/** Once nobody reads it any more. */
function closeSoon(handle: FileHandle | null): void {
  handle?.close().catch(() => undefined)
}
