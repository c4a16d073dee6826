/** How a process finds managers that are nowhere it knows. */
import type { Env } from '../network/env/env.ts'

/** How long answers from the network are waited for, once there is one: others of the cluster may answer too. */
const firstAnswerMs = 5_000
const moreAnswersMs = 500

/** Managers of this cluster in the network that this machine is in; none when nobody answers in time. */
export async function findManagers(
  env: Env,
  cluster: string,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const { lookForManagers } = await import('../network/discovery/lan.ts')
  const found: string[] = []
  const enough = new AbortController()
  const late = env.timers.after(firstAnswerMs, () => enough.abort())
  const add = (address: string): void => {
    if (found.length === 0) env.timers.after(moreAnswersMs, () => enough.abort())
    found.push(address)
  }
  const until = signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal])
  await lookForManagers(cluster, add, until)
  late.cancel()
  return found
}

/** Where a member looks again when all managers that it knows are silent: not under `up`, where they are fixed. */
export function finderOf(
  env: Env,
  cluster: string,
  managers: readonly string[],
): ((signal: AbortSignal) => Promise<readonly string[]>) | undefined {
  if (managers.length > 0 && managers.every(address => address.startsWith('unix:')))
    return undefined
  let nextMs = 0
  return async signal => {
    const nowMs = env.clock.monotonicMs()
    if (nowMs < nextMs) return []
    nextMs = nowMs + lookIntervalMs
    return await findManagers(env, cluster, signal)
  }
}

/** Asking everybody is for when nothing else helps. */
const lookIntervalMs = 30_000
