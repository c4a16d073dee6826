/** One rank, a process of its own: `worker.ts ROOT RANK RANKS`, told what to do by its parent. */
import type { ToConductor, ToWorker } from './messages.ts'
import type { PhaseName } from './phases.ts'
import { DirectoryTarget } from './target.ts'
import { find } from './workload/find.ts'
import type { Rank, Work } from './workload/workload.ts'
import { workOf } from './workload/works.ts'

const [root = '', rankText = '', ranksText = ''] = process.argv.slice(2)
const rank: Rank = {
  rank: Number(rankText),
  ranks: Number(ranksText),
  target: new DirectoryTarget(root),
}

let phase: PhaseName = 'find'
let newerThanMs = 0
let work: Work | null = null
let steps = 0
let startedNs = 0n

function tell(message: ToConductor): void {
  process.send?.(message)
}

async function prepare(message: ToWorker & { readonly kind: 'prepare' }): Promise<void> {
  phase = message.phase
  newerThanMs = message.newerThanMs
  steps = 0
  work = phase === 'find' ? null : workOf(phase, rank)
  await work?.prepare?.()
  tell({ kind: 'ready' })
}

async function go({ count, stonewallMs }: ToWorker & { readonly kind: 'go' }): Promise<void> {
  startedNs = process.hrtime.bigint()
  if (work === null) {
    const { seen, matched } = await find(rank, newerThanMs)
    return tell({ kind: 'done', count: seen, matched, ...times() })
  }
  if (count !== null) return await finish(count)
  const wallNs = startedNs + BigInt(Math.round(stonewallMs * 1e6))
  while (process.hrtime.bigint() < wallNs) await work.step(steps++)
  tell({ kind: 'stonewalled', count: steps })
}

async function finish(count: number): Promise<void> {
  while (steps < count) await work?.step(steps++)
  await work?.finish?.()
  tell({ kind: 'done', count: steps, matched: 0, ...times() })
}

function times(): { readonly startedNs: bigint; readonly endedNs: bigint } {
  return { startedNs, endedNs: process.hrtime.bigint() }
}

async function obey(message: ToWorker): Promise<void> {
  if (message.kind === 'prepare') await prepare(message)
  else if (message.kind === 'go') await go(message)
  else await finish(message.count)
}

process.on('message', (message: ToWorker) => {
  obey(message).catch((error: unknown) => {
    const text = error instanceof Error ? error.message : String(error)
    tell({ kind: 'failed', message: `rank ${rank.rank}, ${phase}, step ${steps}: ${text}` })
  })
})
process.on('disconnect', () => process.exit())
