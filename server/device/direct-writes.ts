/**
 * Large writes to a file past the page cache, as long as the disk keeps up with them: their data takes no memory, and no
 * time of the processor to get there. What comes faster than the disk takes it is left to the page cache.
 */
import { constants as fileConstants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { constants } from 'node:os'
import {
  directAlignmentBytes,
  directIo,
  directRoom,
  systemError,
} from '../../network/disk/direct-io.ts'
import { directWriteBytes, directWritesAtOnce } from '../../network/limits.ts'

export class DirectWrites {
  readonly #handle: FileHandle
  /** One for each write that may begin now. */
  readonly #rooms: Uint8Array[]
  #isRefused = false

  constructor(handle: FileHandle) {
    this.#handle = handle
    this.#rooms = Array.from({ length: directWritesAtOnce }, directRoom)
  }

  /** Whether such a write may begin now. */
  takes(position: number, bytes: number): boolean {
    if (bytes < directWriteBytes || this.#isRefused || this.#rooms.length === 0) return false
    return position % directAlignmentBytes === 0 && bytes % directAlignmentBytes === 0
  }

  /** What `takes` says may begin. @returns false where the disk takes no such writes: nothing is to be relied on then. */
  async write(position: number, pieces: readonly Uint8Array[]): Promise<boolean> {
    const room = this.#rooms.pop()!
    try {
      const errno = await directIo.write(this.#handle.fd, position, pieces, room)
      this.#isRefused ||= errno === constants.errno.EINVAL
      if (errno !== 0 && !this.#isRefused) throw systemError(errno)
      return errno === 0
    } finally {
      this.#rooms.push(room)
    }
  }

  /** To be called when no write is on its way. */
  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** @returns null where the file system knows no such writes. */
export async function openDirectWrites(path: string): Promise<DirectWrites | null> {
  try {
    const handle = await open(path, fileConstants.O_WRONLY | fileConstants.O_DIRECT)
    return new DirectWrites(handle)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EINVAL') return null
    throw error
  }
}
