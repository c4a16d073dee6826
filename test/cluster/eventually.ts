/** Waiting for what other processes do, with a deadline. */
import { setTimeout as sleep } from 'node:timers/promises'

const pollMs = 50

/** @throws when `holds` has not become true within the deadline. */
export async function eventually(
  what: string,
  holds: () => Promise<boolean> | boolean,
  deadlineMs = 120_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`after ${deadlineMs} ms not yet: ${what}`)
    await sleep(pollMs)
  }
}
