/** Runs the official io500 with mpirun on one directory. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { finished } from 'node:stream/promises'
import type { PhaseResult } from '../phases.ts'
import type { FindSettings, RunSettings } from '../settings.ts'
import { configurationText } from './configuration.ts'
import { type OfficialResults, parseProgress, parseResults } from './results.ts'

export interface OfficialRun extends RunSettings {
  /** The binary, as its own build makes it. */
  readonly program: string
  readonly mpirun: string
  /** Existing directories, one for each mount of the same file system; ranks take them in turn. */
  readonly directories: readonly string[]
  readonly find: FindSettings
  /** Made here; keeps config.ini, what the program said, and its own results. */
  readonly resultDirectory: string
  readonly onPhase?: (result: PhaseResult) => void
  readonly signal?: AbortSignal
}

/** @throws when the program cannot be started, fails or is interrupted, with its last words. */
export async function runOfficial(run: OfficialRun): Promise<OfficialResults> {
  await mkdir(run.resultDirectory, { recursive: true })
  const [first = ''] = run.directories
  const root = await mkdtemp(join(first, 'io500-'))
  try {
    const config = join(run.resultDirectory, 'config.ini')
    const dataDirectory = join(root, 'data')
    const results = join(run.resultDirectory, 'official')
    await writeFile(config, configurationText({ ...run, dataDirectory, resultDirectory: results }))
    await watch(spawnRun(run, config, basename(root)), run)
    return parseResults(await readFile(join(results, 'result.txt'), 'utf8'))
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

function spawnRun(run: OfficialRun, config: string, name: string): ChildProcess {
  return spawn(run.mpirun, mpiArguments({ ...run, config, name }), {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C is for this process, which stops it in order.
    detached: true,
  })
}

export interface MpiRun {
  readonly program: string
  readonly config: string
  readonly directories: readonly string[]
  readonly ranks: number
  /** Of the directory made in the first of `directories`. */
  readonly name: string
  /** Processes of this machine's root; told unless it is for a test. */
  readonly root?: boolean
}

/**
 * All ranks are given one path, as the program broadcasts it. So with several mounts each rank gets a mount
 * namespace of its own, where the first mount's path shows its mount (mount_namespaces(7); for root).
 */
export function mpiArguments(run: MpiRun): readonly string[] {
  const { program, config, directories, ranks, root = process.getuid?.() === 0 } = run
  const general = [...(root ? ['--allow-run-as-root'] : []), '--oversubscribe']
  const [first = '', ...others] = directories
  if (others.length === 0) return [...general, '-np', `${ranks}`, program, config]
  const script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
  const contexts = Array.from({ length: ranks }, (_, rank) => {
    const mount = directories[rank % directories.length] ?? first
    const here = join(first, run.name)
    const shown = [join(mount, run.name), here, program, config]
    return [':', '-np', '1', 'unshare', '--mount', 'sh', '-c', script, 'sh', ...shown]
  })
  return [...general, ...contexts.flat().slice(1)]
}

async function watch(child: ChildProcess, run: OfficialRun): Promise<void> {
  const kept = createWriteStream(join(run.resultDirectory, 'output.txt'))
  const last: string[] = []
  const hear = (line: string) => {
    kept.write(`${line}\n`)
    if (line.trim() !== '') last.push(line.trim())
    if (last.length > 4) last.shift()
    const result = parseProgress(line)
    if (result !== null) run.onPhase?.(result)
  }
  const stop = () => child.kill('SIGTERM')
  run.signal?.addEventListener('abort', stop, { once: true })
  try {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface(stream).on('line', hear)
    }
    const [code, signal] = await once(child, 'close').catch((cause: Error) => {
      throw new Error(`${run.mpirun} cannot be started: ${cause.message}`, { cause })
    })
    run.signal?.throwIfAborted()
    if (code !== 0) {
      const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`
      throw new Error(`the official io500 ${how}: ${last.join(' / ')} (all of it: ${kept.path})`)
    }
  } finally {
    run.signal?.removeEventListener('abort', stop)
    kept.end()
    await finished(kept)
  }
}
