/** What daemons write for people: lines of JSON on stderr, which is a log file under `up`. */
import { type Logger, pino } from 'pino'

export type { Logger }

export function openLogger(role: string, level: string): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid, role },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    pino.destination({ fd: 2, sync: true }),
  )
}
