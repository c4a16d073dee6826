/** What is kept free of a metadata disk. */
import {
  metaReserveBytes,
  metaReserveFraction,
  mostMetaReserveBytes,
} from '../../network/limits.ts'

/** @param totalBytes size of the disk. */
export function metaReserveOf(totalBytes: number): number {
  const share = Math.floor(totalBytes * metaReserveFraction)
  return Math.min(mostMetaReserveBytes, Math.max(metaReserveBytes, share))
}
