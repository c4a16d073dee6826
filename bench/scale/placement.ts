/** How even placement is, how much a join and a leave move, and what it costs to compute. */
import { place } from '../../network/placement/placement.ts'
import type { Member, MemberId } from '../../network/wire/view.ts'
import { memberAt, membersOf } from './members.ts'
import { spent } from './spent.ts'

export interface PlacementFigures {
  readonly servers: number
  readonly partitions: number
  readonly replicas: number
  /** Of the fullest server, as a part of the mean. */
  readonly mostLoad: number
  /** Of the emptiest server, likewise. */
  readonly leastLoad: number
  /** Servers that hold nothing. */
  readonly idle: number
  /** Replicas that change place when one server joins, as a part of its fair share. */
  readonly movedByJoin: number
  /** The same when one leaves. */
  readonly movedByLeave: number
  readonly computeMs: number
}

export interface Shape {
  readonly servers: number
  readonly partitions: number
  readonly replicas: number
}

type Placement = readonly (readonly MemberId[])[]

export function placementFigures({ servers, partitions, replicas }: Shape): PlacementFigures {
  const members = membersOf(servers)
  const placed = (who: readonly Member[]) =>
    place({ members: who, partitionCount: partitions, replicaCount: replicas })
  const { result: now, processorMs } = spent(() => placed(members))
  const loads = loadsOf(now, members)
  const copies = now.reduce((sum, held) => sum + held.length, 0)
  const mean = copies / servers
  const joined = placed([...members, memberAt(servers)])
  const left = placed(members.slice(1))
  return {
    ...{ servers, partitions, replicas },
    mostLoad: Math.max(...loads) / mean,
    leastLoad: Math.min(...loads) / mean,
    idle: loads.filter(load => load === 0).length,
    movedByJoin: moved(now, joined) / (copies / (servers + 1)),
    movedByLeave: moved(now, left) / mean,
    computeMs: processorMs,
  }
}

function loadsOf(placement: Placement, members: readonly Member[]): readonly number[] {
  const loads = new Map(members.map(({ id }) => [id, 0]))
  for (const id of placement.flat()) loads.set(id, (loads.get(id) ?? 0) + 1)
  return [...loads.values()]
}

/** Replicas that are somewhere where they were not. */
function moved(before: Placement, after: Placement): number {
  return after.reduce((sum, held, partition) => {
    const earlier = before[partition] ?? []
    return sum + held.filter(id => !earlier.includes(id)).length
  }, 0)
}
