/**
 * Large writes to a file past the page cache: their data takes no memory, and no time of the processor to get there.
 *
 * 1. That is for as long as the disk keeps up: what comes faster than two of them at a time goes by way of the page cache, and
 *    when the last ones took long all do, for a second, and twice as long when the next one does as well.
 * 2. Where the file system or the disk takes none, none is tried again.
 */
import { constants as fileConstants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:os'
import {
  directAlignmentBytes,
  directIo,
  directRoom,
  openDirectly,
  systemError,
} from '../../network/disk/direct-io.ts'
import type { Clock } from '../../network/env/env.ts'
import {
  directMeanWrites,
  directRestMs,
  directRoomBytes,
  directSlowMs,
  directWriteBytes,
  directWritesAtOnce,
  maxDirectRestMs,
} from '../../network/limits.ts'

const { EINVAL, EOPNOTSUPP } = constants.errno

export class DirectWrites {
  readonly #handle: FileHandle
  readonly #clock: Pick<Clock, 'monotonicMs'>
  /** One for each write that may begin now. */
  readonly #rooms: Uint8Array[]
  /** Of the last ones, each `directRoomBytes`; 0: there was none. */
  #meanMs = 0
  #restMs = directRestMs
  #notBeforeMs = Number.NEGATIVE_INFINITY

  constructor(handle: FileHandle, clock: Pick<Clock, 'monotonicMs'>) {
    this.#handle = handle
    this.#clock = clock
    this.#rooms = Array.from({ length: directWritesAtOnce }, directRoom)
  }

  /** Some have shown that the disk is fast, and none since that it is not. */
  get isFast(): boolean {
    return this.#meanMs > 0 && this.#clock.monotonicMs() >= this.#notBeforeMs
  }

  /** Whether such a write may begin now. */
  takes(position: number, bytes: number): boolean {
    if (bytes < directWriteBytes || this.#rooms.length === 0) return false
    if (this.#clock.monotonicMs() < this.#notBeforeMs) return false
    return position % directAlignmentBytes === 0 && bytes % directAlignmentBytes === 0
  }

  /**
   * What `takes` says may begin.
   * @returns false where the disk takes no such writes: then nothing of it is to be relied on. @throws Error of the system.
   */
  async write(position: number, pieces: readonly Uint8Array[], bytes: number): Promise<boolean> {
    const room = this.#rooms.pop()!
    const sinceMs = this.#clock.monotonicMs()
    try {
      const errno = await directIo.write(this.#handle.fd, position, pieces, room)
      if (errno === EINVAL || errno === EOPNOTSUPP) {
        this.#notBeforeMs = Number.POSITIVE_INFINITY
        return false
      }
      if (errno !== 0) throw systemError(errno)
      this.#took(this.#clock.monotonicMs() - sinceMs, bytes)
      return true
    } finally {
      this.#rooms.push(room)
    }
  }

  /** To be called when no write is on its way. */
  close(): Promise<void> {
    return this.#handle.close()
  }

  #took(ms: number, bytes: number): void {
    const msOfRoom = ms / Math.max(1, bytes / directRoomBytes)
    this.#meanMs += (msOfRoom - this.#meanMs) / directMeanWrites
    if (this.#meanMs <= directSlowMs) {
      this.#restMs = directRestMs
      return
    }
    const restedMs = this.#clock.monotonicMs() + this.#restMs
    this.#notBeforeMs = Math.max(this.#notBeforeMs, restedMs)
    this.#restMs = Math.min(2 * this.#restMs, maxDirectRestMs)
  }
}

/** @returns null where the file cannot be opened so: then all goes by way of the page cache. */
export async function openDirectWrites(
  handle: FileHandle,
  clock: Pick<Clock, 'monotonicMs'>,
): Promise<DirectWrites | null> {
  const direct = await openDirectly(handle, fileConstants.O_WRONLY)
  return direct && new DirectWrites(direct, clock)
}
