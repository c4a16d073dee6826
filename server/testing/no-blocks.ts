/** A block store that holds nothing, for tests of what surrounds it. */
import type { BlockStore } from '../blocks/contract.ts'

export const noBlocks: BlockStore = {
  read: async () => null,
  place: () => null,
  write: () => Promise.reject(new Error('this store takes no blocks')),
  cut: async () => null,
  punch: async () => null,
  allocate: async () => null,
  seek: (_, offset, wanted) => (wanted === 'hole' ? offset : -1),
  sync: async () => [],
  stagedMark: () => 0,
  indexSynced: () => undefined,
  verify: async () => true,
  damageOf: () => null,
  statistics: async () => ({
    capacityBytes: 0,
    freeBytes: 0,
    ownFreeBytes: 0,
    usedBytes: 0,
    blocks: 0,
    checksumErrors: 0,
  }),
  close: async () => undefined,
}
