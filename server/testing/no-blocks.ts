/** A block store that holds nothing, for tests of what surrounds it. */
import type { BlockStore } from '../blocks/contract.ts'

export const noBlocks: BlockStore = {
  read: async () => null,
  write: () => Promise.reject(new Error('this store takes no blocks')),
  cut: async () => null,
  sync: async () => [],
  stagedMark: () => 0,
  indexSynced: () => undefined,
  verify: async () => true,
  statistics: async () => ({
    capacityBytes: 0,
    freeBytes: 0,
    usedBytes: 0,
    blocks: 0,
    checksumErrors: 0,
  }),
  close: async () => undefined,
}
