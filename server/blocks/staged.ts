/** A change of a block that is on the device and waits to be indexed or dropped. */
import assert from 'node:assert/strict'
import type { Key } from '../metadata/contract.ts'
import type { Extent } from './allocator.ts'
import type { StagedBlock } from './contract.ts'
import { type BlockRecord, encodeRecord, spaceOf, storedBytes } from './record.ts'

export interface Change {
  readonly key: Key
  /** Empty where there is no block. */
  readonly before: BlockRecord
  readonly after: BlockRecord
  /** 1, 0 or -1; -1 also where `before` could not be read. */
  readonly blockDelta: number
  readonly taken: readonly Extent[]
  /** What `before` names and `after` does not. */
  readonly replaced: readonly Extent[]
}

/** Who is told how a change ended; exactly once. */
export interface ChangeOutcome {
  kept(change: Change): void
  dropped(change: Change): void
}

export function stageChange(change: Change, outcome: ChangeOutcome): StagedBlock {
  const { key, before, after, blockDelta } = change
  let settled = false
  const settle = (): void => {
    assert(!settled, 'a staged block is settled once')
    settled = true
  }
  return {
    mutations: [{ key, value: after.length > 0 ? encodeRecord(after) : null }],
    blockDelta,
    byteDelta: storedBytes(after) - storedBytes(before),
    spaceDelta: spaceOf(after) - spaceOf(before),
    staged() {
      settle()
      outcome.kept(change)
    },
    abandoned() {
      settle()
      outcome.dropped(change)
    },
  }
}
