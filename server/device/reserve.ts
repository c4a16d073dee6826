/** What is left free on a data disk. */
import { diskReserveBytes, diskReserveFraction } from '../../network/limits.ts'

/**
 * By new data, and by any. New data ends before others are refused, that they have something to grow into;
 * what replaces data goes on a little longer.
 * @param totalBytes size of the disk.
 * @param neededBytes by others on it.
 */
export function leftToOthers(totalBytes: number, neededBytes: number): readonly [number, number] {
  const reserve = Math.min(diskReserveBytes, Math.floor(totalBytes * diskReserveFraction))
  return [Math.max(reserve, neededBytes * 1.25), neededBytes * 0.75]
}
