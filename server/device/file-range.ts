/** Typed face of file-range.c. */
import { constants } from 'node:os'
import { loadAddon } from '../../network/addon.ts'

export interface FileRange {
  /** The file system keeps space for the range, which the file covers from now on. @returns 0 or an errno. */
  hold(fd: number, position: number, length: number): Promise<number>
  /** The range reads as zeros, and its space is the file system's again. @returns 0 or an errno. */
  giveBack(fd: number, position: number, length: number): Promise<number>
  /**
   * What was written in the range begins to go to the disk, if it has not yet. That it does not get there `fdatasync` tells,
   * as ever. @param length 0: to the end. @returns 0 or an errno.
   */
  send(fd: number, position: number, length: number): Promise<number>
}

export const fileRange = loadAddon('server/device/file-range') as FileRange

/** What file systems say that know no such thing. */
export function isUnsupported(errno: number): boolean {
  const { EOPNOTSUPP, ENOSYS } = constants.errno
  return errno === EOPNOTSUPP || errno === ENOSYS
}
