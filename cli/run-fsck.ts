/** Runs a check, shows how far it is, and tells what it found. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkCluster } from '../client/checking/check.ts'
import type { CheckReport, Phase } from '../client/checking/contract.ts'
import type { Cluster } from '../client/cluster/contract.ts'
import { administering } from './client-session.ts'
import { describeError, Failure } from './failure.ts'
import type { FsckOptions } from './fsck.ts'
import { describeReport, exitCodeOfReport, fsckExit, jsonOf } from './fsck-report.ts'
import { outputTaken } from './output.ts'
import { type Progress, startProgress } from './progress.ts'

/** @returns the exit status. @throws Failure with the exit status of fsck(8). */
export async function runFsck(options: FsckOptions): Promise<number> {
  const interrupted = new AbortController()
  const interrupt = () => interrupted.abort()
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const startedMs = performance.now()
  try {
    const report = await administering(options, cluster =>
      check(cluster, options, interrupted.signal),
    )
    const seconds = (performance.now() - startedMs) / 1000
    if (options.json === true) console.log(JSON.stringify(jsonOf(report), null, 2))
    else {
      const text = describeReport(report, { seconds, quiet: options.quiet === true })
      if (text !== '') console.log(text)
    }
    await outputTaken()
    return exitCodeOfReport(report)
  } catch (cause) {
    if (interrupted.signal.aborted) {
      const text = 'interrupted: what was repaired until then is repaired'
      throw new Failure(text, { cause, exitCode: fsckExit.cancelled })
    }
    throw new Failure(describeError(cause), { cause, exitCode: fsckExit.operational })
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

async function check(
  cluster: Cluster,
  { repair, data, quiet }: FsckOptions,
  signal: AbortSignal,
): Promise<CheckReport> {
  const scratch = await mkdtemp(join(tmpdir(), 'rookery-fsck-'))
  const shown = new PhaseProgress(quiet === true)
  try {
    return await checkCluster(cluster, {
      repair: repair === true,
      data: data === true,
      scratch,
      signal,
      onProgress: (phase, done, total) => shown.show(phase, done, total),
    })
  } finally {
    shown.end()
    await rm(scratch, { recursive: true, force: true })
  }
}

const phases: { readonly [P in Phase]: string } = {
  records: 'partitions looked at',
  data: 'partitions read',
  'follow-up': 'suspicions looked into',
}

/** One bar or line for each phase. */
class PhaseProgress {
  readonly #quiet: boolean
  #phase: Phase | null = null
  #done = 0
  #progress: Progress | null = null

  constructor(quiet: boolean) {
    this.#quiet = quiet
  }

  show(phase: Phase, done: number, total: number): void {
    if (phase !== this.#phase || done < this.#done) {
      this.end()
      this.#phase = phase
      this.#progress = startProgress({ total, unit: 'steps', quiet: this.#quiet })
      this.#progress.advance(0, phases[phase])
    }
    this.#progress?.advance(done - this.#done, '')
    this.#done = done
  }

  end(): void {
    this.#progress?.end()
    this.#progress = null
    this.#done = 0
  }
}
