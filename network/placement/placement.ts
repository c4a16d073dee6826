/**
 * Placement: the pure function from members to the wanted replicas of every partition. It asks nobody
 * and remembers nothing, so whoever has the same members computes the same placement.
 *
 * Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, 2018) on a weighted ring:
 * partitions take their places one after the other, each with the first member after its position that
 * has room; then members far below their share get some from those above. Of what these functions
 * promise, with `fair` = partitions × weight / sum of weights:
 *
 * 1. A member is first replica of at most ceil(1.05 fair + sqrt(fair) / 2) partitions, and of at
 *    least floor(fair / 2).
 * 2. The replicas of a partition are distinct members; in distinct failure domains while there are
 *    domains, whatever that does to balance. Fewer members than replicas wanted: one on each.
 * 3. Further replicas keep to the same bound, for all replicas of a member together, where the rule above
 *    leaves a choice: few members of very unequal weights get more than it says.
 * 4. When one of up to 50 members comes or goes, at most 4 × max(its fair share, partitions / members) + 8
 *    replicas change; in the mean 1.5 times that share with 256 partitions, 1.2 with 4096. The excess is
 *    what the bound costs: who finds no room goes to the next.
 */
import assert from 'node:assert/strict'
import { maxPartitionCount } from '../limits.ts'
import type { Member, MemberId } from '../wire/view.ts'
import { fairShares } from './fair-shares.ts'
import { numbered } from './hash.ts'
import { Ring } from './ring.ts'

export type PlacementMember = Pick<Member, 'id' | 'weight' | 'domain'>

export interface PlacementRequest {
  /** In any order. Weights are positive and finite. */
  readonly members: readonly PlacementMember[]
  readonly partitionCount: number
  readonly replicaCount: number
}

/** @returns for each partition its members, best first; all empty when there is no member. */
export function place(request: PlacementRequest): readonly (readonly MemberId[])[] {
  const { partitionCount, replicaCount } = request
  assert(Number.isInteger(partitionCount) && partitionCount > 0)
  assert(partitionCount <= maxPartitionCount && Number.isInteger(replicaCount) && replicaCount > 0)
  const members = request.members.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  for (const { id, weight } of members) {
    assert(weight > 0 && Number.isFinite(weight), `member ${id} has weight ${weight}`)
  }
  if (members.length === 0) return Array.from({ length: partitionCount }, () => [])
  const assignment = new Assignment(members, partitionCount)
  for (let copies = 1; copies <= Math.min(replicaCount, members.length); copies++) {
    assignment.addCopy(copies)
  }
  return assignment.replicas.map(indices => indices.map(index => members[index]!.id))
}

/** Most first replicas for a fair share of `fair`: chance alone makes shares differ by a square root. */
export function mostPartitions(fair: number): number {
  return Math.ceil(roomFor(fair))
}

/** Fewest first replicas for a fair share of `fair`. */
export function fewestPartitions(fair: number): number {
  return Math.floor(fair / 2)
}

function roomFor(fair: number): number {
  return 1.05 * fair + Math.sqrt(fair) / 2
}

const positionOfPartition = numbered('partition')

class Assignment {
  /** By partition: indices of members. */
  readonly replicas: number[][]
  readonly #members: readonly PlacementMember[]
  readonly #ring: Ring
  /** By member: partitions held so far. */
  readonly #load: number[]
  /** By member: the number of its domain. */
  readonly #domainOf: readonly number[]
  readonly #domainCount: number

  constructor(members: readonly PlacementMember[], partitionCount: number) {
    this.#members = members
    this.#ring = new Ring(members)
    this.#load = members.map(() => 0)
    const domains = new Map<string, number>()
    for (const { domain } of members) {
      if (!domains.has(domain)) domains.set(domain, domains.size)
    }
    this.#domainOf = members.map(member => domains.get(member.domain)!)
    this.#domainCount = domains.size
    this.replicas = Array.from({ length: partitionCount }, () => [])
  }

  /** Gives each partition its `copies`-th replica. */
  addCopy(copies: number): void {
    const weights = this.#members.map(member => member.weight)
    const fair = fairShares(weights, copies).map(share => share * this.replicas.length)
    const most = fair.map(mostPartitions)
    // Rounded by a coin of each member's own, so that not all of them lose a place at the same time.
    const room = fair.map((partitions, index) =>
      Math.floor(roomFor(partitions) + numbered(this.#members[index]!.id)(0xffffffff) / 2 ** 32),
    )
    for (let partition = 0; partition < this.replicas.length; partition++) {
      const index = this.#choose(partition, [room, most], fair)
      this.replicas[partition]!.push(index)
      this.#load[index]!++
    }
    if (copies === 1) this.#fill(fair.map(fewestPartitions))
  }

  #choose(partition: number, bounds: readonly number[][], fair: readonly number[]): number {
    const held = this.replicas[partition]!
    const heldDomains = held.map(index => this.#domainOf[index]!)
    const distinct = new Set(heldDomains).size < this.#domainCount
    const allowed = distinct
      ? (index: number) => !heldDomains.includes(this.#domainOf[index]!)
      : (index: number) => !held.includes(index)
    const position = positionOfPartition(partition)
    for (const bound of bounds) {
      const index = this.#ring.find(
        position,
        index => this.#load[index]! < bound[index]! && allowed(index),
      )
      if (index >= 0) return index
    }
    return this.#leastLoaded(allowed, fair)
  }

  /** Where domains leave no member with room: the one that the least is too much for. */
  #leastLoaded(allowed: (index: number) => boolean, fair: readonly number[]): number {
    let best = -1
    for (let index = 0; index < fair.length; index++) {
      if (!allowed(index)) continue
      if (best < 0 || this.#load[index]! * fair[best]! < this.#load[best]! * fair[index]!)
        best = index
    }
    assert(best >= 0)
    return best
  }

  /** Members below `fewest` take first replicas, in an order of their own, from those above theirs. */
  #fill(fewest: readonly number[]): void {
    for (const [index, member] of this.#members.entries()) {
      if (this.#load[index]! >= fewest[index]!) continue
      for (const partition of this.#preferences(member.id)) {
        const held = this.replicas[partition]!
        const holder = held[0]!
        if (holder === index || this.#load[holder]! <= fewest[holder]!) continue
        held[0] = index
        this.#load[holder]!--
        if (++this.#load[index]! >= fewest[index]!) break
      }
    }
  }

  /** Partitions in the order of rendezvous hashing with this member. */
  #preferences(id: MemberId): number[] {
    const preference = numbered(`${id} prefers `)
    const order = this.replicas.map((_, partition) => ({ partition, hash: preference(partition) }))
    order.sort((a, b) => a.hash - b.hash || a.partition - b.partition)
    return order.map(({ partition }) => partition)
  }
}
