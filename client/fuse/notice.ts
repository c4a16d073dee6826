/** Typed face of notice.c. */
import { loadAddon } from '../../network/addon.ts'
import { maxAttributesNotices, maxPagesNotices } from '../../network/limits.ts'

interface NoticeAddon {
  write(device: number, bytes: Uint8Array, lane: number, mostThreads: number): Promise<number>
}

/**
 * Writes to the device on another thread; resolves to 0 or a Linux error number.
 * @param mayWait the kernel may wait for pages, or a directory, that a request holds: then it is on threads of its own.
 */
export type WriteNotice = (device: number, bytes: Uint8Array, mayWait: boolean) => Promise<number>

export function loadNotice(): WriteNotice {
  const addon = loadAddon('client/fuse/notice') as NoticeAddon
  return (device, bytes, mayWait) =>
    mayWait
      ? addon.write(device, bytes, 0, maxPagesNotices)
      : addon.write(device, bytes, 1, maxAttributesNotices)
}
