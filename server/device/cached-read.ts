/** Typed face of cached-read.c. */
import { loadAddon } from '../../network/addon.ts'

export interface CachedRead {
  /**
   * @returns bytes read into `target`, fewer than fit where the page cache has no more; -1 when it has none of
   * them, or an error would have to be told.
   */
  read(fd: number, target: Uint8Array, position: number): number
}

export const cachedRead = loadAddon('server/device/cached-read') as CachedRead
