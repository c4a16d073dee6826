/**
 * Runs the phases at one scene with worker processes: everybody begins a phase together, a write phase is
 * stonewalled and worn out as IOR and mdtest do it, and the slowest rank's end is the phase's.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { ToConductor, ToWorker } from './messages.ts'
import { type PhaseName, type PhaseResult, phases, type Unit } from './phases.ts'
import type { Scene } from './scene.ts'
import { bytesOfStep, writtenBy } from './workload/works.ts'

export interface RunOptions {
  readonly scene: Scene
  /** Worker processes. */
  readonly ranks: number
  /** Seconds a write phase goes on before it is worn out. */
  readonly stonewallSeconds: number
  /** Called before each phase that reads, e.g. to empty the kernel's cache. */
  readonly beforeReading?: () => Promise<void>
  readonly onPhase?: (result: PhaseResult) => void
  readonly signal?: AbortSignal
}

type Told<K extends ToConductor['kind']> = ToConductor & { readonly kind: K }

/** @throws when a worker fails, e.g. with wrong data or a full disk, or the signal is aborted. */
export async function runPhases(options: RunOptions): Promise<readonly PhaseResult[]> {
  const { scene } = options
  let workers: Workers | undefined
  try {
    await scene.open()
    workers = new Workers(options)
    return await runAll(workers, options)
  } finally {
    await workers?.end()
    await scene.close()
  }
}

async function runAll(workers: Workers, options: RunOptions): Promise<readonly PhaseResult[]> {
  const results: PhaseResult[] = []
  const counts = new Map<PhaseName, number>()
  let newerThanMs = 0
  for (const { name, unit, writes } of phases) {
    options.signal?.throwIfAborted()
    if (!writes) await options.beforeReading?.()
    // IO500 looks for what is newer than a file made after the first two phases.
    if (name === 'ior-hard-write') newerThanMs = Date.now()
    const writer = name === 'find' ? null : writtenBy(name)
    const count = writer === null ? null : (counts.get(writer) ?? 0)
    const { result, perRank } = await runPhase(workers, { name, unit, count, newerThanMs }, options)
    counts.set(name, perRank)
    results.push(result)
    options.onPhase?.(result)
  }
  return results
}

interface PhaseRun {
  readonly name: PhaseName
  readonly unit: Unit
  /** Steps of each rank; null to write until the stonewall. */
  readonly count: number | null
  readonly newerThanMs: number
}

async function runPhase(
  workers: Workers,
  { name, unit, count, newerThanMs }: PhaseRun,
  { stonewallSeconds }: RunOptions,
): Promise<{ readonly result: PhaseResult; readonly perRank: number }> {
  await workers.ask({ kind: 'prepare', phase: name, newerThanMs }, 'ready')
  const go = { kind: 'go', count, stonewallMs: stonewallSeconds * 1000 } as const
  let done: readonly Told<'done'>[]
  if (count === null && name !== 'find') {
    const reached = await workers.ask(go, 'stonewalled')
    const most = Math.max(...reached.map(told => told.count))
    done = await workers.ask({ kind: 'wear out', count: most }, 'done')
  } else done = await workers.ask(go, 'done')
  const starts = done.map(({ startedNs }) => Number(startedNs))
  const ends = done.map(({ endedNs }) => Number(endedNs))
  const seconds = (Math.max(...ends) - Math.min(...starts)) / 1e9
  const total = done.reduce((sum, told) => sum + told.count, 0)
  const bytes = bytesOfStep(name) * total
  const value = (unit === 'GiB/s' ? bytes / 2 ** 30 : total / 1000) / seconds
  return {
    result: { name, unit, value, seconds, count: total },
    perRank: Math.max(...done.map(told => told.count)),
  }
}

class Workers {
  readonly #processes: readonly ChildProcess[]
  readonly #signal: AbortSignal | undefined

  constructor({ scene, ranks, signal }: RunOptions) {
    this.#signal = signal
    this.#processes = Array.from({ length: ranks }, (_, rank) => {
      const { script, args } = scene.program(rank, ranks)
      // A session of its own: Ctrl-C goes to the conductor alone, which ends it and removes its files.
      return fork(script, args, { serialization: 'advanced', detached: true })
    })
  }

  /** Says the same to all, and resolves with the answer of each. @throws when one fails or ends. */
  ask<K extends ToConductor['kind']>(message: ToWorker, answer: K): Promise<Told<K>[]> {
    return Promise.all(this.#processes.map(child => this.#askOne(child, message, answer)))
  }

  /** Resolves when the last one is gone: what it had begun would stand in the way of removing the files. */
  async end(): Promise<void> {
    const running = this.#processes.filter(
      child => child.exitCode === null && child.signalCode === null,
    )
    const ended = running.map(child => once(child, 'exit'))
    for (const child of running) child.kill('SIGKILL')
    await Promise.all(ended)
  }

  async #askOne<K extends ToConductor['kind']>(
    child: ChildProcess,
    message: ToWorker,
    answer: K,
  ): Promise<Told<K>> {
    const ended = new AbortController()
    const signals = [ended.signal, ...(this.#signal === undefined ? [] : [this.#signal])]
    const over = AbortSignal.any(signals)
    const gone = () => ended.abort(new Error('a worker ended before its time'))
    child.once('exit', gone)
    try {
      const told = once(child, 'message', { signal: over })
      child.send(message)
      const [reply] = (await told.catch(error => {
        // Of the signal, `once` tells only that it was aborted.
        over.throwIfAborted()
        throw error
      })) as [ToConductor]
      if (reply.kind === 'failed') throw new Error(reply.message)
      if (reply.kind !== answer) throw new Error(`a worker says '${reply.kind}', not '${answer}'`)
      return reply as Told<K>
    } finally {
      child.off('exit', gone)
    }
  }
}
