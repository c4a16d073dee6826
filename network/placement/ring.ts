/**
 * A weighted consistent-hash ring (Karger et al., 1997): each member owns virtual nodes in proportion
 * to its weight, and a position belongs to the member whose virtual node comes next.
 *
 * 1. Virtual node k of a member is where xxHash64 puts (id, k), whoever else is on the ring.
 * 2. Weights count relative to their mean, so their unit is free; a member as heavy as the mean comes
 *    and goes without a change in how many virtual nodes the others have.
 */
import assert from 'node:assert/strict'
import { maxMembers, virtualNodes } from '../limits.ts'
import type { MemberId } from '../wire/view.ts'
import { numbered } from './hash.ts'

/** A node's position and its member are one double: sorting needs no comparison function. */
const memberBits = 2 ** 20
assert(maxMembers <= memberBits)

export interface RingMember {
  readonly id: MemberId
  readonly weight: number
}

export class Ring {
  readonly #nodes: Float64Array

  /** @param members in an order that the caller keeps to: the ring speaks of them by index. */
  constructor(members: readonly RingMember[]) {
    assert(members.length > 0 && members.length <= maxMembers, `${members.length} members`)
    let weights = 0
    for (const member of members) weights += member.weight
    const nodesPerWeight = (virtualNodes * members.length) / weights
    const counts = members.map(member => Math.ceil(member.weight * nodesPerWeight))
    this.#nodes = new Float64Array(counts.reduce((sum, count) => sum + count, 0))
    let next = 0
    for (const [index, member] of members.entries()) {
      const position = numbered(member.id)
      for (let k = 0; k < counts[index]!; k++) {
        this.#nodes[next++] = position(k) * memberBits + index
      }
    }
    this.#nodes.sort()
  }

  /**
   * Walks the ring once from `position` (32 bits) on; a member comes up once for each virtual node.
   * @returns index of the first member that `accept` takes; -1 when it takes none.
   */
  find(position: number, accept: (index: number) => boolean): number {
    const { length } = this.#nodes
    const start = this.#firstFrom(position)
    for (let step = 0; step < length; step++) {
      const at = start + step
      const index = this.#nodes[at < length ? at : at - length]! % memberBits
      if (accept(index)) return index
    }
    return -1
  }

  #firstFrom(position: number): number {
    const key = position * memberBits
    let low = 0
    let high = this.#nodes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#nodes[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
