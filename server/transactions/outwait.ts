/** Waiting for locks in the middle of a transaction, for the legs that may (`outwaitsLocks` in legs.ts). */
import type { Env } from '../../network/env/env.ts'
import { maxLegWaitMs } from '../../network/limits.ts'
import { LockedKey } from '../partition/key-locks.ts'

/** Runs the step again each time a lock that it met is released. @throws LockedKey after `maxLegWaitMs`. */
export async function outwait<T>({ clock, timers }: Env, step: () => T | Promise<T>): Promise<T> {
  const endMs = clock.monotonicMs() + maxLegWaitMs
  for (;;) {
    try {
      return await step()
    } catch (error) {
      const leftMs = endMs - clock.monotonicMs()
      if (!(error instanceof LockedKey) || leftMs <= 0) throw error
      const late = new AbortController()
      const pause = timers.sleep(leftMs, late.signal).catch(() => undefined)
      await Promise.race([error.released, pause])
      late.abort()
    }
  }
}
