/** Moves of partitions that are under way, and how many are still to come, for people. Pure. */
import { maxMovesTold } from '../../network/limits.ts'
import type { MoveStatus } from '../../network/wire/operations.ts'
import type { CopyReport } from '../../network/wire/replica-messages.ts'
import type { MemberId } from '../../network/wire/view.ts'
import type { Health } from './health.ts'
import { fed } from './partition-step.ts'
import type { ClusterState } from './state.ts'

export interface Moves {
  /** At most `maxMovesTold`. */
  readonly moves: readonly MoveStatus[]
  /** Partitions that are not where they should be, and not on their way. */
  readonly movesWaiting: number
}

export interface MovesInput {
  readonly state: ClusterState
  readonly health: Health
  readonly wanted: readonly (readonly MemberId[])[] | null
  /** What the primaries said that they feed. */
  readonly copies: readonly CopyReport[]
}

export function movesOf({ state, health, wanted, copies }: MovesInput): Moves {
  const moves: MoveStatus[] = []
  const held: MoveStatus[] = []
  let movesWaiting = 0
  const handovers = new Set(state.handovers.map(({ partition }) => partition))
  for (const [partition, holders] of (state.view?.partitions ?? []).entries()) {
    const { primary, replicas, inSync } = holders
    const targets = fed(holders, health)
    for (const target of targets) {
      const copy = copies.find(copy => copy.partition === partition && copy.member === target)
      const { doneBytes = 0, totalBytes = 0 } = copy ?? {}
      const move = { partition, source: primary, target, doneBytes, totalBytes }
      if (copy?.held === undefined) moves.push({ ...move, phase: 'copying' })
      else held.push({ ...move, phase: 'copying', held: copy.held })
    }
    if (handovers.has(partition) && primary !== null) {
      const source = inSync.find(id => id !== primary) ?? null
      moves.push({
        ...{ partition, source, target: primary, phase: 'handing over' },
        ...{ doneBytes: 0, totalBytes: 0 },
      })
      continue
    }
    if (targets.length > 0 || wanted === null) continue
    if (wanted[partition]!.some(id => !replicas.includes(id))) movesWaiting++
  }
  return { moves: [...moves, ...held].slice(0, maxMovesTold), movesWaiting }
}
