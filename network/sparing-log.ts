/** A log for what programs can cause at any rate: some lines of each period are written, the others counted. */
import type { Env } from './env/env.ts'
import { sparingLogLines, sparingLogPeriodMs } from './limits.ts'
import type { Log } from './log.ts'

export function sparingLog({ timers }: Pick<Env, 'timers'>, log: Log): Log {
  let lines = 0
  const end = () => {
    const unsaid = lines - sparingLogLines
    lines = 0
    if (unsaid > 0) log.warn({ unsaid }, 'more of the kind was left out')
  }
  return {
    info: (fields, message) => log.info(fields, message),
    warn(fields, message) {
      if (lines++ === 0) timers.after(sparingLogPeriodMs, end)
      if (lines <= sparingLogLines) log.warn(fields, message)
    },
  }
}
