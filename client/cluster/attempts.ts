/** What is known of a call while it is attempted, once or again and again. */
import { ClusterError } from '../../network/errors.ts'
import { appendGrantMs, appendWritesMs, callDeadlineMs } from '../../network/limits.ts'
import type { Partition } from '../../network/wire/ids.ts'
import type { OperationName, RequestOf } from '../../network/wire/operations.ts'
import type { MemberId } from '../../network/wire/view.ts'
import type { Boot, Payload } from './contract.ts'
import { isSilent } from './retry.ts'
import type { ServerLink } from './server-link.ts'

/** Where a call goes: a partition's primary, or one server whatever it holds. */
export type Target = Partition | MemberId

export interface Route {
  readonly link: ServerLink
  readonly partition: Partition
  readonly epoch: number
}

/** One of a call. */
export interface Attempt {
  /** null while nobody serves the partition. */
  route: Route | null
  session: number
  /** Of its server, when it was sent. */
  replies: number
  deadlineMs: number
}

/** Whether its server said nothing to anybody while it waited; had it less time than a call has, that says nothing. */
export function wasSilent({ route, replies, deadlineMs }: Attempt, error: unknown): boolean {
  return isSilent(error) && route?.link.replies === replies && deadlineMs >= callDeadlineMs
}

/** What is known of a call that has failed at least once. */
export interface Trouble {
  readonly name: OperationName
  readonly target: Target
  readonly startedMs: number
  attempts: number
  /** An attempt may have had its effect though no reply came. */
  uncertain: boolean
  checksumFailed: boolean
}

/** What is to be done, and persisted in. */
export interface Wanted<N extends OperationName> {
  readonly name: N
  readonly target: Target
  readonly request: RequestOf<N>
  readonly payload?: Payload
  readonly startedMs: number
  /** Of what changes something. */
  readonly sending?: Sending
  /** Asked after each failure: false ends it. */
  readonly isWanted?: () => boolean
}

/** What there is to know of a mutation that is being sent. */
export interface Sending {
  /** As `Clock.uptimeMs`, like `sentMs`. */
  readonly notAfterMs: number
  /** Under which it may first have had its effect; null while it certainly had none. */
  boot: Boot | null
  /** Of the last attempt. */
  sentMs: number
  /** Somebody is answered before its reply is there. */
  readonly isBehind: boolean
  /** Then, of the first one, when it has been sent: `Peer.handed`. */
  handed: Promise<boolean> | null
}

export function sendingOf(notAfterMs: number, isBehind: boolean): Sending {
  return { notAfterMs, boot: null, sentMs: 0, isBehind, handed: null }
}

export function firstTrouble<N extends OperationName>(wanted: Wanted<N>): Trouble {
  const { name, target, startedMs } = wanted
  return { name, target, startedMs, attempts: 0, uncertain: false, checksumFailed: false }
}

export interface Leaving {
  readonly name: OperationName
  readonly link: ServerLink
  readonly nowMs: number
}

/**
 * The request as that server is to have it. For a block that rests on what ends, with the moment after which it may not be let
 * in, by the server's clock: for one that is written behind when the lease may end, which is asked about then; for an append, or what
 * a quota is held for, when another may have been granted the place. For one that may be read from a disk of this machine, only if
 * the server's is one.
 */
export function boundTo<N extends OperationName>(
  request: RequestOf<N>,
  { name, sending }: Pick<Wanted<N>, 'name' | 'sending'>,
  link: ServerLink,
): RequestOf<N> {
  if (name === 'readBlock') {
    const { local, ...asked } = request as RequestOf<'readBlock'>
    return local === true && !link.disk.mayRead(asked) ? (asked as RequestOf<N>) : request
  }
  if (name !== 'writeBlock' || sending === undefined || sending.notAfterMs === Infinity)
    return request
  const isLeased = (request as RequestOf<'writeBlock'>).flushes !== undefined
  const arrivesMs = isLeased ? 0 : appendGrantMs - appendWritesMs
  return { ...request, notAfterMs: link.uptime.at(sending.notAfterMs + arrivesMs) }
}

/** An attempt is about to be sent. @throws ClusterError STALE_WRITE when it is too late for that. */
export function leaving(sending: Sending, { name, link, nowMs }: Leaving): void {
  sending.sentMs = nowMs
  if (nowMs > sending.notAfterMs) {
    throw new ClusterError('STALE_WRITE', `too late to send ${name} to ${link.server}`)
  }
  sending.boot ??= link.boot
}
