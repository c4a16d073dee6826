/** Typed face of direct-io.c, which reads and writes past the page cache. */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { getSystemErrorMap } from 'node:util'
import { loadAddon } from '../addon.ts'
import { directRoomBytes } from '../limits.ts'

/** Positions and lengths of what is written are multiples of it. */
export const directAlignmentBytes = 4096

export interface DirectIo {
  /**
   * Writes the pieces, which do not change meanwhile, one behind the other.
   * @param direct opened with O_DIRECT.
   * @param room nobody else's meanwhile, `directRoom()`.
   * @returns 0 or an errno: EINVAL where the file system or the disk takes no such writes.
   */
  write(
    direct: number,
    position: number,
    pieces: readonly Uint8Array[],
    room: Uint8Array,
  ): Promise<number>
  /**
   * Fills each target with what the file has from its position on, past the page cache where that does not have most
   * of it.
   * @param cached the file opened as usual. @param direct opened with O_DIRECT; -1 where that cannot be.
   * @param room as above.
   * @returns 0 or an errno: ENODATA where the file ends before.
   */
  read(
    cached: number,
    direct: number,
    positions: readonly number[],
    targets: readonly Uint8Array[],
    room: Uint8Array,
  ): Promise<number>
}

export const directIo = loadAddon('network/disk/direct-io') as DirectIo

/** Memory that data goes by way of: it has no page of the machine's before it is used. */
export function directRoom(): Uint8Array {
  return new Uint8Array(directRoomBytes + directAlignmentBytes)
}

/**
 * The file behind the handle, whatever has its name by now, past the page cache.
 * @param access O_RDONLY or O_WRONLY. @returns null where it cannot be opened so: it can be used as it was opened.
 */
export async function openDirectly(handle: FileHandle, access: number): Promise<FileHandle | null> {
  try {
    return await open(`/proc/self/fd/${handle.fd}`, access | constants.O_DIRECT)
  } catch {
    return null
  }
}

export function systemError(errno: number): Error {
  const [code = `${errno}`] = getSystemErrorMap().get(-errno) ?? []
  return Object.assign(new Error(code), { code })
}
