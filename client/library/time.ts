/** Times as node:fs takes them. */
import type { DateValue } from '../../network/env/date.ts'
import { PosixError } from '../../network/errors.ts'

/** Seconds since 1970 (a number, or text that says one), or a date. */
export type Time = number | string | DateValue

/** @throws PosixError EINVAL */
export function nsOf(time: Time): bigint {
  if (typeof time === 'object') return msToNs(time.getTime())
  const seconds = Number(time)
  if (!Number.isFinite(seconds)) throw new PosixError('EINVAL', `the time ${time}`)
  const whole = Math.floor(seconds)
  return BigInt(whole) * 1_000_000_000n + BigInt(Math.round((seconds - whole) * 1e9))
}

function msToNs(ms: number): bigint {
  if (!Number.isFinite(ms)) throw new PosixError('EINVAL', 'not a date')
  return BigInt(Math.round(ms)) * 1_000_000n
}
