/** Typed face of file-range.c. */
import { constants } from 'node:os'
import { loadAddon } from '../../network/addon.ts'

/** Positions and lengths in turn. */
export type Ranges = Float64Array

interface FileRange {
  /** The file system keeps space for the range, which the file covers from now on. @returns 0 or an errno. */
  hold(fd: number, range: Ranges): Promise<number>
  /** The range reads as zeros, and its space is the file system's again. @returns 0 or an errno. */
  giveBack(fd: number, range: Ranges): Promise<number>
  /**
   * What was written to the file begins to go to the disk, if it has not yet. That it does not get there `fdatasync` tells, as
   * ever. What is on the disk of `done` the page cache lets go. @returns 0 or an errno.
   */
  send(fd: number, done: Ranges): Promise<number>
}

export const fileRange = loadAddon('server/device/file-range') as FileRange

export function rangeOf(position: number, length: number): Ranges {
  return Float64Array.of(position, length)
}

/** What file systems say that know no such thing. */
export function isUnsupported(errno: number): boolean {
  const { EOPNOTSUPP, ENOSYS } = constants.errno
  return errno === EOPNOTSUPP || errno === ENOSYS
}
