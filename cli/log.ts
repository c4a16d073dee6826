/** What daemons write for people: lines of JSON on stderr, which is a log file under `up`. */
import { type Logger, pino } from 'pino'
import { maxHeldLogBytes } from '../network/limits.ts'

export type { Logger }

/** What stderr does not take is held back, then left out: a log on a full disk ends nobody. */
export function openLogger(role: string, level: string): Logger {
  const destination = pino.destination({ fd: 2, sync: true, maxLength: maxHeldLogBytes })
  destination.on('error', () => undefined)
  return pino(
    {
      level,
      base: { pid: process.pid, role },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    destination,
  )
}
