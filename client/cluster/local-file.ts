/**
 * A data file of a server on this machine, opened to be read.
 *
 * 1. It is closed only when nobody reads it: its descriptors could be another file's by then.
 */
import { constants } from 'node:fs'
import { type FileHandle, lstat, open } from 'node:fs/promises'
import { directIo, openDirectly, systemError } from '../../network/disk/direct-io.ts'
import type { DataFile } from '../../network/wire/operations.ts'

export class LocalFile {
  readonly #handle: FileHandle
  /** Of the same file, past the page cache; null where it cannot be read so. */
  readonly #direct: FileHandle | null
  #reads = 0
  #isClosing = false

  constructor(handle: FileHandle, direct: FileHandle | null) {
    this.#handle = handle
    this.#direct = direct
  }

  /**
   * Fills each target with what is at its position.
   * @param room `directRoom()`, nobody else's meanwhile. @throws Error when there is not all of it.
   */
  async read(
    positions: readonly number[],
    targets: readonly Uint8Array[],
    room: Uint8Array,
  ): Promise<void> {
    if (this.#isClosing) throw new Error('the file is closed')
    this.#reads++
    try {
      const [cached, direct] = [this.#handle.fd, this.#direct?.fd ?? -1]
      const errno = await directIo.read(cached, direct, positions, targets, room)
      if (errno !== 0) throw systemError(errno)
    } finally {
      this.#reads--
      if (this.#isClosing) this.#closeUnread()
    }
  }

  /** Once nobody reads it any more. */
  close(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#closeUnread()
  }

  #closeUnread(): void {
    if (this.#reads > 0) return
    closeSoon(this.#handle)
    closeSoon(this.#direct)
  }
}

/** @returns null unless that very file can be read here. */
export async function openLocalFile({ path, device, inode }: DataFile): Promise<LocalFile | null> {
  const isIt = (found: { dev: bigint; ino: bigint; isFile(): boolean }) =>
    found.isFile() && found.dev === device && found.ino === inode
  let handle: FileHandle | null = null
  try {
    // To open what is no plain file may do something to it.
    if (!isIt(await lstat(path, { bigint: true }))) return null
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    if (isIt(await handle.stat({ bigint: true }))) {
      return new LocalFile(handle, await openDirectly(handle, constants.O_RDONLY))
    }
  } catch {
    // Another user's, or not to be seen from here: then the server is asked for data.
  }
  closeSoon(handle)
  return null
}

function closeSoon(handle: FileHandle | null): void {
  handle?.close().catch(() => undefined)
}
