/** Typed face of file-space.c: space of a file, without a write. */
import { constants } from 'node:os'
import { loadAddon } from '../../network/addon.ts'

export interface FileSpace {
  /** The file system keeps space for the range, which the file covers from now on. @returns 0 or an errno. */
  hold(fd: number, position: number, length: number): Promise<number>
  /** The range reads as zeros, and its space is the file system's again. @returns 0 or an errno. */
  giveBack(fd: number, position: number, length: number): Promise<number>
}

export const fileSpace = loadAddon('server/device/file-space') as FileSpace

/** What file systems say that know no such thing. */
export function isUnsupported(errno: number): boolean {
  const { EOPNOTSUPP, ENOSYS } = constants.errno
  return errno === EOPNOTSUPP || errno === ENOSYS
}
