/** Which work belongs to which phase. */
import type { PhaseName } from '../phases.ts'
import { easyLayout, hardLayout, IorRead, IorWrite } from './ior.ts'
import { createFiles, easyFiles, hardFiles, readFiles, removeFiles, statFiles } from './mdtest.ts'
import type { Rank, Work } from './workload.ts'

type Counted = Exclude<PhaseName, 'find'>

const works: { readonly [name in Counted]: (rank: Rank) => Work } = {
  'ior-easy-write': rank => new IorWrite(rank, easyLayout()),
  'mdtest-easy-write': rank => createFiles(rank, easyFiles),
  'ior-hard-write': rank => new IorWrite(rank, hardLayout(rank.ranks)),
  'mdtest-hard-write': rank => createFiles(rank, hardFiles),
  'ior-easy-read': rank => new IorRead(rank, easyLayout()),
  'mdtest-easy-stat': rank => statFiles(rank, easyFiles),
  'ior-hard-read': rank => new IorRead(rank, hardLayout(rank.ranks)),
  'mdtest-hard-stat': rank => statFiles(rank, hardFiles),
  'mdtest-easy-delete': rank => removeFiles(rank, easyFiles),
  'mdtest-hard-read': rank => readFiles(rank, hardFiles),
  'mdtest-hard-delete': rank => removeFiles(rank, hardFiles),
}

export function workOf(phase: Counted, rank: Rank): Work {
  return works[phase](rank)
}

/** The phase that wrote what this one looks at; null for those that write. */
export function writtenBy(phase: Counted): Counted | null {
  if (phase.endsWith('-write')) return null
  const writer = phase.replace(/-[a-z]+$/, '-write')
  return writer in works ? (writer as Counted) : null
}

/** Bytes of one step; 0 where files are counted. */
export function bytesOfStep(phase: PhaseName): number {
  if (phase.startsWith('ior-easy')) return easyLayout().transferBytes
  if (phase.startsWith('ior-hard')) return hardLayout(1).transferBytes
  return 0
}
