/** `sleep` in terms of `after`, for real and for simulated timers. */
import type { Timers } from './env.ts'

export function sleepOn(
  timers: Pick<Timers, 'after'>,
  delayMs: number,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const timer = timers.after(delayMs, () => {
      signal?.removeEventListener('abort', aborted)
      resolve()
    })
    function aborted(): void {
      timer.cancel()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', aborted, { once: true })
  })
}
