/** What a failed attempt means for the next one: pure decisions, no state. */

import type { Random } from '../../network/env/env.ts'
import { type ClusterCode, ClusterError, PosixError } from '../../network/errors.ts'
import { retryFirstDelayMs, retryLongestDelayMs } from '../../network/limits.ts'

/**
 * `again`: after a pause. `view`: with a newer view. `session`: after a new session with that server.
 * `once`: one more time only. `never`: it is the caller's.
 */
export type Remedy = 'again' | 'view' | 'session' | 'once' | 'never'

const remedies: { readonly [code in ClusterCode]?: Remedy } = {
  CLOSED: 'again',
  UNREACHABLE: 'again',
  TIMEOUT: 'again',
  NOT_READY: 'again',
  OVERLOADED: 'again',
  CONFLICT: 'again',
  STALE_EPOCH: 'view',
  NOT_PRIMARY: 'view',
  SESSION_EXPIRED: 'session',
  CHECKSUM: 'once',
}

/** Codes of an attempt that certainly had no effect. */
const harmless: ReadonlySet<ClusterCode> = new Set<ClusterCode>([
  'UNREACHABLE',
  'NOT_READY',
  'OVERLOADED',
  'CONFLICT',
  'STALE_EPOCH',
  'NOT_PRIMARY',
  'SESSION_EXPIRED',
  'CHECKSUM',
])

/** Codes that the rest of the client deals with. */
const callers: ReadonlySet<ClusterCode> = new Set<ClusterCode>(['STALE_WRITE', 'MISPLACED'])

export function remedyOf(error: unknown): Remedy {
  return error instanceof ClusterError ? (remedies[error.code] ?? 'never') : 'never'
}

export function hadNoEffect(error: unknown): boolean {
  return error instanceof ClusterError && harmless.has(error.code)
}

/** Whether nothing came back in a call's whole time. */
export function isSilent(error: unknown): boolean {
  return error instanceof ClusterError && error.code === 'TIMEOUT'
}

/** Whether what was written rests on a state of the file that is no more: to be written again. */
export function isStaleWrite(error: unknown): boolean {
  return error instanceof ClusterError && error.code === 'STALE_WRITE'
}

/** Doubles from the first delay to the longest, each time between a half and the whole of it. */
export function retryDelayMs(attempt: number, random: Random): number {
  const whole = Math.min(retryLongestDelayMs, retryFirstDelayMs * 2 ** Math.min(attempt, 16))
  return whole / 2 + random.integer(Math.ceil(whole / 2) + 1)
}

/**
 * The error as `query` and `mutate` throw it. STALE_WRITE is answered by writing again (fs/write-through.ts), MISPLACED
 * by asking where the name is (fs/shards.ts).
 */
export function finalError(error: unknown, operation: string, server: string): Error {
  if (error instanceof PosixError) return error
  if (error instanceof ClusterError && callers.has(error.code)) return error
  if (error instanceof ClusterError && error.code === 'CANCELLED') {
    return new PosixError('EINTR', operation, { cause: error })
  }
  const reason = error instanceof Error ? error.message : String(error)
  return new PosixError('EIO', `${operation} at ${server}: ${reason}`, { cause: error })
}
