/**
 * Typed face of channel.c: requests arrive in slots, answers leave from one reply buffer and, without a
 * copy, from pieces of data.
 *
 * 1. A slot belongs to its request from `onRequests` until `answer` or `drop`; its bytes stay until then.
 * 2. The reply buffer is free again when `answer` returns.
 */
import { writeSync } from 'node:fs'
import { loadAddon } from '../../network/addon.ts'
import { errnoByCode } from '../../network/errors.ts'
import { fuseSlotBytes, maxFuseNotices, maxFuseSlots } from '../../network/limits.ts'
import { loadNotice } from './notice.ts'

/** What a session needs of the device; tests have one without a kernel. */
export interface Channel {
  /** All slots, one behind the other. */
  readonly pool: Buffer
  readonly slotBytes: number
  readonly replyBuffer: Buffer
  /**
   * Sends `length` bytes of the reply buffer and then `pieces`, and frees the slot.
   * @returns 0 or a Linux error number.
   */
  answer(slot: number, length: number, pieces: readonly Uint8Array[] | null): number
  /** Sends `length` bytes of the reply buffer, to a request whose slot is free already. */
  answerLate(length: number): number
  /** Frees the slot of a request that wants no answer, or is answered late. */
  drop(slot: number): void
  /**
   * Writes a notice (FUSE_NOTIFY_*). Resolves to 0 or a Linux error number.
   * @param mayWait false for what has the kernel wait for nothing that a request holds.
   */
  notify(message: Uint8Array, mayWait?: boolean): Promise<number>
  close(): void
}

export interface ChannelEvents {
  /** `batch` holds `count` pairs of slot and length; it is valid during the call. */
  onRequests(batch: Uint32Array, count: number): void
  /** The device is gone: ENODEV after an unmount, ECONNABORTED after an abort. */
  onEnd(errno: number): void
}

export interface ChannelStatistics {
  readonly requests: number
  readonly batches: number
  /** How often we spun for a request instead of going to sleep, and how many that found. */
  readonly spins: number
  readonly spinHits: number
}

interface ChannelAddon {
  open(
    fd: number,
    slots: number,
    spinMicroseconds: number,
    callback: (count: number, errno: number) => void,
    pool: Buffer,
    reply: Buffer,
    batch: Uint32Array,
  ): unknown
  answer(
    channel: unknown,
    slot: number,
    length: number,
    pieces: readonly Uint8Array[] | null,
  ): number
  close(channel: unknown): void
  statistics(channel: unknown, out: Float64Array): void
}

const batchLimit = 64
/** What one writev(2) takes beside the reply buffer; PIECE_LIMIT of channel.c. */
const maxPieces = 1023
/** READDIRPLUS is the largest reply that is built here; file data is sent from where it is. */
const replyBytes = 1024 * 1024 + 4096

export class DeviceChannel implements Channel {
  readonly slotBytes = fuseSlotBytes
  readonly pool = Buffer.allocUnsafeSlow(maxFuseSlots * fuseSlotBytes)
  readonly replyBuffer = Buffer.allocUnsafeSlow(replyBytes)
  readonly #addon = loadAddon('client/fuse/channel') as ChannelAddon
  readonly #writeNotice = loadNotice()
  readonly #fd: number
  readonly #native: unknown
  #open = true
  #notices = 0

  /** @param fd non-blocking /dev/fuse descriptor; the channel owns it from now on. */
  constructor(fd: number, spinMicroseconds: number, events: ChannelEvents) {
    const batch = new Uint32Array(2 * batchLimit)
    const callback = (count: number, errno: number) => {
      if (errno === 0) events.onRequests(batch, count)
      else events.onEnd(errno)
    }
    this.#fd = fd
    this.#native = this.#addon.open(
      fd,
      maxFuseSlots,
      spinMicroseconds,
      callback,
      this.pool,
      this.replyBuffer,
      batch,
    )
  }

  answer(slot: number, length: number, pieces: readonly Uint8Array[] | null): number {
    const few = pieces === null || pieces.length <= maxPieces ? pieces : [Buffer.concat(pieces)]
    return this.#addon.answer(this.#native, slot, length, few)
  }

  drop(slot: number): void {
    this.#addon.answer(this.#native, slot, 0, null)
  }

  async notify(message: Uint8Array, mayWait = true): Promise<number> {
    if (!this.#open) return errnoByCode.ENODEV
    if (this.#notices >= maxFuseNotices) return errnoByCode.EAGAIN
    this.#notices += 1
    try {
      return await this.#writeNotice(this.#fd, message, mayWait)
    } finally {
      this.#notices -= 1
    }
  }

  answerLate(length: number): number {
    if (!this.#open) return errnoByCode.ENODEV
    try {
      writeSync(this.#fd, this.replyBuffer, 0, length)
      return 0
    } catch (error) {
      if (error instanceof Error && 'errno' in error) return -Number(error.errno)
      throw error
    }
  }

  statistics(): ChannelStatistics {
    const out = new Float64Array(4)
    this.#addon.statistics(this.#native, out)
    const [requests = 0, batches = 0, spins = 0, spinHits = 0] = out
    return { requests, batches, spins, spinHits }
  }

  close(): void {
    this.#open = false
    this.#addon.close(this.#native)
  }
}
