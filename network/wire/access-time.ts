/** When reading moves the access time: as Linux does it by default (relatime, mount(8)). */
import type { Attributes } from './attributes.ts'

const dayNs = 86_400_000_000_000n

/**
 * Due when the last access is not after the last change, or is a day old: so that programs can tell what was
 * read since it was written, at the price of one change for all the reads of a day.
 */
export function isAccessTimeDue(
  { atimeNs, mtimeNs, ctimeNs }: Pick<Attributes, 'atimeNs' | 'mtimeNs' | 'ctimeNs'>,
  nowNs: bigint,
): boolean {
  return atimeNs <= mtimeNs || atimeNs <= ctimeNs || nowNs - atimeNs >= dayNs
}
