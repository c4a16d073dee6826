/** Several calls at a time, but not all of them. */

/**
 * Runs `task(0)` to `task(count - 1)`, at most `limit` at a time, and gives the results in order. After a
 * failure none is begun, and those under way are waited for.
 */
export async function inParallel<T>(
  count: number,
  limit: number,
  task: (index: number) => Promise<T>,
): Promise<T[]> {
  if (count === 1) return [await task(0)]
  const results = new Array<T>(count)
  let next = 0
  const run = async (): Promise<void> => {
    while (next < count) {
      const index = next++
      try {
        results[index] = await task(index)
      } catch (error) {
        next = count
        throw error
      }
    }
  }
  const runners: Promise<void>[] = []
  for (let i = Math.min(limit, count); i > 0; i--) runners.push(run())
  // All must have ended before the caller goes on: their payloads are its buffers.
  const outcomes = await Promise.allSettled(runners)
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  return results
}
