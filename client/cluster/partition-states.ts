/** What a client knows of where partitions are: as the view has them, and what of that is not as it was before. */
import type { Partition } from '../../network/wire/ids.ts'
import type { MemberId, PartitionState, View } from '../../network/wire/view.ts'

export class PartitionStates {
  readonly #view: () => View
  /** Of each partition, the last with a primary. */
  readonly #known: PartitionState[] = []
  /** Partitions that went to another server since the start. */
  readonly #moved = new Set<Partition>()

  constructor(view: () => View) {
    this.#view = view
    this.follow()
  }

  primaryOf(partition: Partition): MemberId | null {
    return this.#view().partitions[partition]?.primary ?? null
  }

  epochOf(partition: Partition): number {
    return this.#view().partitions[partition]?.epoch ?? 0
  }

  /** Whether it was another server's since the start. */
  hasMoved(partition: Partition): boolean {
    return this.#moved.has(partition)
  }

  /**
   * To be called with each view.
   * @returns those that were in another epoch before: they may have been elsewhere, and be back.
   */
  follow(): ReadonlySet<Partition> {
    const changed = new Set<Partition>()
    this.#view().partitions.forEach((state, partition) => {
      const before = this.#known[partition]
      if (state.primary === null || before?.epoch === state.epoch) return
      this.#known[partition] = state
      changed.add(partition)
      if (before !== undefined && before.primary !== state.primary) this.#moved.add(partition)
    })
    return changed
  }
}
