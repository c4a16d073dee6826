/** Typed face of notice.c. */
import { loadAddon } from '../../network/addon.ts'

export interface Notice {
  /** Writes to the device on another thread; resolves to 0 or a Linux error number. */
  write(device: number, bytes: Uint8Array): Promise<number>
}

export function loadNotice(): Notice {
  return loadAddon('client/fuse/notice') as Notice
}
