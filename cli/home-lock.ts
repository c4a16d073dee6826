/**
 * At most one supervisor for a home. Node has no flock(2), but Level locks its directory with the kernel's
 * help, and such a lock ends with its process, however that ends.
 */
import { readFile } from 'node:fs/promises'
import { Level } from 'level'
import { codeOf, Failure } from './failure.ts'
import type { Home, HomeState } from './home.ts'

export interface HomeLock {
  release(): Promise<void>
}

/** @throws Failure when another process has it. */
export async function lockHome(home: Home): Promise<HomeLock> {
  const lock = new Level(home.lockDirectory)
  try {
    await lock.open()
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    if (codeOf(cause) !== 'LEVEL_LOCKED') throw error
    throw new Failure(
      `${home.directory} is in use by another 'rookery up': stop it with 'rookery down --home ${home.directory}'`,
      { cause: error },
    )
  }
  return { release: () => lock.close() }
}

/** When the process started, in clock ticks since boot; null when there is no such process. */
export async function startTicks(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  // The name in parentheses may hold anything; 20 fields behind it is field 22.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
}

/** What runs in this home, or null when its supervisor is gone. */
export async function liveState(home: Home): Promise<HomeState | null> {
  const state = await home.readState()
  if (state === null || (await startTicks(state.pid)) !== state.startTicks) return null
  return state
}
