/** Typed face of direct-write.c. */
import { loadAddon } from '../../network/addon.ts'

/** Positions and lengths that are written directly are multiples of it. */
export const directAlignmentBytes = 4096

export interface DirectWrite {
  /**
   * Writes the pieces, which do not change meanwhile, one behind the other.
   * @param fd opened with O_DIRECT.
   * @param room memory that nothing else uses meanwhile: up to twice `directAlignmentBytes` of it may stay unused.
   * @returns 0 or an errno; EINVAL where the file system or the disk takes no such writes.
   */
  write(
    fd: number,
    position: number,
    pieces: readonly Uint8Array[],
    room: Uint8Array,
  ): Promise<number>
}

export const directWrite = loadAddon('server/device/direct-write') as DirectWrite
