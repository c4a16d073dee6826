/** Follows a server that drains until it holds nothing, and shows how far it is. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterError } from '../network/errors.ts'
import { formatBytes } from '../network/format/bytes.ts'
import type { ManagerStatusReply, MoveStatus } from '../network/wire/operations.ts'
import type { MemberId } from '../network/wire/view.ts'
import { statusFromWire } from '../network/wire/wire-view.ts'
import type { Access } from './access.ts'
import { askManager } from './ask-manager.ts'
import { Failure } from './failure.ts'
import { type Progress, startProgress } from './progress.ts'

const lookAgainMs = 500
/** A manager that is away may be started again; meanwhile nothing is lost. */
const patienceMs = 120_000
/** Plain lines come no more often. */
const lineMs = 2_000

export interface Follow {
  readonly access: Access
  readonly id: MemberId
  readonly quiet: boolean
  readonly signal: AbortSignal
}

/** @throws Failure when it was interrupted, or drains no more. */
export async function followDrain(follow: Follow): Promise<void> {
  const shown = new DrainProgress(follow.quiet)
  try {
    for (;;) {
      const status = await statusOf(follow)
      const { draining, members } = status
      const member = members.find(({ id }) => id === follow.id)
      if (member === undefined || heldBy(status, follow.id) === 0) return
      if (!draining.includes(follow.id)) throw new Failure(`${member.name} drains no more`)
      shown.show(status, follow.id)
      await sleep(lookAgainMs, undefined, { signal: follow.signal })
    }
  } catch (error) {
    if (!follow.signal.aborted) throw error
    throw new Failure("interrupted: the drain goes on; 'rookery drain' shows it again", {
      cause: error,
      exitCode: 130,
    })
  } finally {
    shown.end()
  }
}

/** Partitions that a server has a copy of. */
export function heldBy({ view }: ManagerStatusReply, id: MemberId): number {
  return view?.partitions.filter(({ replicas }) => replicas.includes(id)).length ?? 0
}

/** Why a server may not get rid of what it has; null when it can. Pure. */
export function obstacleTo(status: ManagerStatusReply, id: MemberId): string | null {
  const { members, view, draining, frozen } = status
  if (frozen !== null) return frozen
  const replicas = view?.replicaCount ?? 1
  const others = members.filter(
    ({ role, alive, ...other }) => role === 'server' && alive && !draining.includes(other.id),
  )
  if (others.length < replicas) {
    const are = others.length === 1 ? 'is 1 other server' : `are ${others.length} other servers`
    return `there ${are} for ${replicas} cop${replicas === 1 ? 'y' : 'ies'} of everything: it goes on when one joins`
  }
  const member = members.find(other => other.id === id)
  const onlyHere = view?.partitions.some(({ inSync }) => inSync.length === 1 && inSync[0] === id)
  if (member?.alive === false && onlyHere === true) {
    return `${member.name} is down, and nobody else has all that it holds: it goes on when it is back`
  }
  return heldUp(status, id)
}

/** When nothing is left to do but what is damaged. */
function heldUp(status: ManagerStatusReply, id: MemberId): string | null {
  const held = status.moves.filter(move => move.held !== undefined)
  const partitions = new Set(held.map(({ partition }) => partition))
  const goesOn = status.view?.partitions.some(
    ({ replicas }, partition) => replicas.includes(id) && !partitions.has(partition),
  )
  const first = held.find(({ partition }) =>
    status.view?.partitions[partition]?.replicas.includes(id),
  )
  return first === undefined || goesOn === true ? null : describeHeld(first)
}

/** A copy that waits for somebody who repairs its source. Pure. */
export function describeHeld({ partition, held }: MoveStatus): string {
  return `partition ${partition} is held up: ${held}`
}

/** A bar on a terminal, plain lines elsewhere. */
class DrainProgress {
  readonly #quiet: boolean
  #progress: Progress | null = null
  #left = 0
  #total = 0
  #lineAtMs = Number.NEGATIVE_INFINITY
  #obstacle: string | null = null

  constructor(quiet: boolean) {
    this.#quiet = quiet
  }

  show(status: ManagerStatusReply, id: MemberId): void {
    const left = heldBy(status, id)
    if (this.#progress === null) {
      this.#left = left
      this.#total = left
      this.#progress = startProgress({ total: left, unit: 'steps', quiet: this.#quiet })
    }
    const obstacle = obstacleTo(status, id)
    const done = Math.max(0, this.#left - left)
    const nowMs = performance.now()
    const tells = nowMs - this.#lineAtMs >= lineMs && (done > 0 || this.#lineAtMs < 0)
    const moving = obstacle ?? describeMoves(status)
    if (process.stderr.isTTY) this.#progress.advance(done, `partitions moved  ${moving}`)
    else if (tells || obstacle !== this.#obstacle) {
      this.#lineAtMs = nowMs
      this.#progress.advance(
        done,
        `${this.#total - left} of ${this.#total} partitions moved  ${moving}`,
      )
    } else this.#progress.advance(done, '')
    this.#left -= done
    this.#obstacle = obstacle
  }

  end(): void {
    this.#progress?.end()
  }
}

/** `2 under way, 3 MiB of 10 MiB, 1 held up`. */
export function describeMoves({ moves: all, movesWaiting }: ManagerStatusReply): string {
  const moves = all.filter(({ held }) => held === undefined)
  const heldCount = all.length - moves.length
  const done = moves.reduce((sum, { doneBytes }) => sum + doneBytes, 0)
  const total = moves.reduce((sum, { totalBytes }) => sum + totalBytes, 0)
  const copied = total > 0 ? ` (${formatBytes(done)} of ${formatBytes(total)})` : ''
  const waiting = movesWaiting > 0 ? `, ${movesWaiting} to come` : ''
  const held = heldCount > 0 ? `, ${heldCount} held up` : ''
  return `${moves.length} under way${copied}${waiting}${held}`
}

async function statusOf({ access, signal }: Follow): Promise<ManagerStatusReply> {
  const startMs = performance.now()
  for (;;) {
    try {
      const { body } = await askManager(access, peer => peer.call('managerStatus', {}))
      return statusFromWire(body)
    } catch (error) {
      const passes = error instanceof ClusterError && passing.includes(error.code)
      if (!passes || performance.now() - startMs > patienceMs) throw error
      await sleep(lookAgainMs, undefined, { signal })
    }
  }
}

const passing: readonly string[] = ['UNREACHABLE', 'TIMEOUT', 'CLOSED', 'NOT_LEADER', 'NOT_READY']
