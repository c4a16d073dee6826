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
import { localReadBytes } from '../../network/limits.ts'
import { machineBootOf } from '../../network/membership/host.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import type { DataFile, ReadBlockRequest, SessionReply } from '../../network/wire/operations.ts'
import type { Payload } from './contract.ts'
import { type LocalFile, openLocalFile } from './local-file.ts'
import type { LocalReads } from './local-reads.ts'

const noPayload: Payload = []

export class LocalDisk {
  readonly #reads: LocalReads
  readonly #boot: string
  /** Of the connection there is now; what was opened for another is closed when it is there. */
  #told: DataFile | null = null
  #file: LocalFile | null = null

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
    if (dataFile === undefined || this.#told !== null) return
    if (machineBootOf(boot) !== this.#boot) return
    const told = { ...dataFile }
    this.#told = told
    void openLocalFile(told).then(file => {
      if (this.#told === told) this.#file = file
      else file?.close()
    })
  }

  /** The connection is gone: behind another one may be another server. */
  close(): void {
    this.#file?.close()
    this.#told = null
    this.#file = null
  }

  /** Whether the server may be asked for the place of data. What is short comes faster from there. */
  mayRead({ length }: ReadBlockRequest): boolean {
    return this.#file !== null && length >= localReadBytes && !this.#reads.isHeldUp
  }

  /** With the data that the reply tells the place of; without any, where it cannot be had from there. */
  async filled({ body, payload }: Reply<'readBlock'>, length: number): Promise<Reply<'readBlock'>> {
    const { places } = body
    if (places === undefined) return { body, payload }
    const file = this.#file
    const data = file && (await this.#read(file, places, length))
    return { body, payload: data === null ? noPayload : [data] }
  }

  /** @returns null where there is nothing, for now or for good. */
  async #read(
    file: LocalFile,
    places: readonly number[],
    length: number,
  ): Promise<Uint8Array | null> {
    try {
      return await this.#reads.inTime(room => read(file, { places, length }, room))
    } catch {
      if (this.#file === file) this.#giveUp()
      return null
    }
  }

  /** Keeps the file's name, so that it is not opened again. */
  #giveUp(): void {
    this.#file?.close()
    this.#file = null
  }
}

interface Placed {
  readonly places: readonly number[]
  readonly length: number
}

/** @throws Error when there is not all of it, or `places` are none. */
async function read(
  file: LocalFile,
  { places, length }: Placed,
  room: Uint8Array,
): Promise<Uint8Array> {
  const data = Buffer.allocUnsafeSlow(length)
  const positions: number[] = []
  const targets: Uint8Array[] = []
  let end = 0
  for (let at = 0; at < places.length; at += 3) {
    const [position = -1, start = -1, bytes = -1] = places.slice(at, at + 3)
    if (!(position >= 0 && start >= end && bytes > 0 && start + bytes <= length)) {
      throw new RangeError(`no place of ${length} bytes: ${bytes} at ${start}, after ${end}`)
    }
    data.fill(0, end, start)
    end = start + bytes
    positions.push(position)
    targets.push(data.subarray(start, end))
  }
  data.fill(0, end)
  await file.read(positions, targets, room)
  return data
}
