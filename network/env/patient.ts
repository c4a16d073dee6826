/** Real time for tests with real sockets: a busy machine is slow, and that alone must not fail them. */
import type { Env, Timers } from './env.ts'
import { realEnv } from './real.ts'
import { sleepOn } from './sleep.ts'

/** Every wait is `factor` times as long as was asked for, so that no deadline of the code under test strikes. */
export function patientEnv(factor = 20): Env {
  const env = realEnv()
  const timers: Timers = {
    after: (delayMs, callback) => env.timers.after(delayMs * factor, callback),
    every: (periodMs, callback) => env.timers.every(periodMs * factor, callback),
    sleep: (delayMs, signal) => sleepOn(timers, delayMs, signal),
    soon: callback => env.timers.soon(callback),
  }
  return { ...env, timers }
}
