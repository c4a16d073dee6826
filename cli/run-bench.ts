/** One run of `rookery bench io500`, from the places to the table and what is kept. */
import { open, realpath, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runPhases } from '../bench/io500/conductor.ts'
import { runOfficial } from '../bench/io500/official/run.ts'
import { type PhaseResult, phases, scoreOf } from '../bench/io500/phases.ts'
import {
  type Maker,
  machineFacts,
  pictureOf,
  type Report,
  rowsOf,
  type Subject,
  termsOf,
} from '../bench/io500/report.ts'
import { type RunSettings, stonewallSecondsOf, type Variant } from '../bench/io500/settings.ts'
import { makeDirectories, whyNotMade } from '../network/membership/make-directories.ts'
import type { BenchOptions } from './bench.ts'
import {
  directoryPlace,
  libraryPlace,
  mountOfHome,
  type Place,
  withMounts,
} from './bench-places.ts'
import { codeOf, Failure } from './failure.ts'
import { type Progress, startProgress } from './progress.ts'
import { formatTable } from './table.ts'
import { version } from './version.ts'

interface Run extends RunSettings {
  readonly options: BenchOptions
  readonly made: Maker
  /** The official binary; null for the built-in phases. */
  readonly program: string | null
  readonly at: string
  /** Where it is kept; null when nothing is. */
  readonly folder: string | null
  readonly progress: Progress
  readonly signal: AbortSignal
}

export async function runBench(
  directory: string | undefined,
  options: BenchOptions,
): Promise<void> {
  checkOptions(directory, options)
  const others = await Promise.all((options.compare ?? []).map(directoryPlace))
  const interrupted = new AbortController()
  const interrupt = (signal: NodeJS.Signals) =>
    interrupted.abort(new Failure(`interrupted by ${signal}: its files are removed`))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const run = await prepare(options, others.length + 1, interrupted.signal)
  interrupted.signal.addEventListener('abort', () =>
    run.progress.advance(0, 'interrupted: removing its files'),
  )
  const subjects: Subject[] = []
  const found: { version: string } = { version: version() }
  const measure = async (place: Place) => {
    const measured = await measureAt(place, subjects.length, run)
    if (measured.version !== null) found.version = measured.version
    subjects.push(measured.subject)
  }
  try {
    await withFirst(directory, options, measure)
    for (const place of others) await measure(place)
  } finally {
    run.progress.end()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
  await tell(reportOf(run, found.version, subjects), run)
}

/** @throws Failure for options that do not go together. */
export function checkOptions(
  directory: string | undefined,
  options: BenchOptions,
  root = process.getuid?.() === 0,
): void {
  const { through, mounts, io500 } = options
  const refuse = (why: string): never => {
    throw new Failure(why, { usage: true })
  }
  if (through === 'library' && io500 !== undefined) {
    refuse('the official io500 needs a directory: leave out --through library, or --io500')
  }
  if (through === 'library' && mounts !== undefined) {
    refuse('--through library makes no mounts: leave out --mounts')
  }
  if (directory !== undefined && (through === 'library' || mounts !== undefined)) {
    refuse(`a cluster is measured, not ${directory}: leave it out, or name it with --compare`)
  }
  if (mounts !== undefined && mounts > options.ranks) {
    refuse(`${mounts} mounts need as many ranks: raise --ranks`)
  }
  if (io500 !== undefined && (mounts ?? 1) > 1 && !root) {
    refuse('several mounts with the official io500 are for root: each rank gets a namespace')
  }
  if (io500 !== undefined && options.results === false) {
    refuse('the official io500 keeps its results: leave out --no-results')
  }
  if (options.dropCaches === true && !root) refuse('--drop-caches is for root')
  const find = options.pfindProcesses ?? options.pfindQueue
  if (find !== undefined && io500 === undefined) {
    refuse('--pfind-processes and --pfind-queue are for the official io500: name it with --io500')
  }
}

async function makeFolder(path: string): Promise<void> {
  await makeDirectories(path).catch(cause => {
    const text = `${path} cannot be made (${whyNotMade(cause)}): choose another with --results`
    throw new Failure(text, { cause })
  })
}

async function prepare(options: BenchOptions, places: number, signal: AbortSignal): Promise<Run> {
  const variant: Variant =
    options.official === true ? 'official' : options.quick === true ? 'quick' : 'usual'
  const program = options.io500 === undefined ? null : await programAt(options.io500)
  const at = new Date().toISOString()
  const name = `io500-${at.replaceAll(/[:.]/g, '')}`
  const folder = options.results === false ? null : join(options.results, name)
  if (folder !== null) await makeFolder(folder)
  return {
    options,
    variant,
    stonewallSeconds: options.stonewall ?? stonewallSecondsOf[variant],
    ranks: options.ranks,
    dropCaches: options.dropCaches === true,
    made: program === null ? 'rookery built-in' : 'official io500',
    program,
    at,
    folder: folder === null ? null : await realpath(folder),
    progress: startProgress({
      total: places * phases.length,
      unit: 'steps',
      quiet: options.quiet === true,
    }),
    signal,
  }
}

async function programAt(path: string): Promise<string> {
  const found = await stat(path).catch(() => null)
  if (found?.isFile() === true && (found.mode & 0o111) !== 0) return await realpath(path)
  throw new Failure(`${path} is no program: name the io500 binary that its own build has made`)
}

async function withFirst(
  directory: string | undefined,
  options: BenchOptions,
  measure: (place: Place) => Promise<void>,
): Promise<void> {
  if (options.mounts !== undefined) await withMounts(options.mounts, options, measure)
  else if (options.through === 'library') await measure(await libraryPlace(options))
  else await measure(await directoryPlace(directory ?? (await mountOfHome(options))))
}

interface Measured {
  readonly subject: Subject
  /** Of the official program. */
  readonly version: string | null
}

async function measureAt(place: Place, index: number, run: Run): Promise<Measured> {
  const { name, fileSystem } = place
  const onPhase = (result: PhaseResult) => run.progress.advance(1, describe(name, result))
  if (run.program === null || run.folder === null) {
    const results = await runPhases({
      scene: place.scene,
      ranks: run.ranks,
      stonewallSeconds: run.stonewallSeconds,
      signal: run.signal,
      onPhase,
      ...(run.dropCaches ? { beforeReading: dropCaches } : {}),
    })
    const score = scoreOf(results)
    return { subject: { name, fileSystem, phases: results, score, errors: [] }, version: null }
  }
  const { options } = run
  const official = await runOfficial({
    variant: run.variant,
    stonewallSeconds: run.stonewallSeconds,
    ranks: run.ranks,
    dropCaches: run.dropCaches,
    program: run.program,
    mpirun: options.mpirun,
    directories: place.directories,
    find: { processes: options.pfindProcesses ?? null, queueLength: options.pfindQueue ?? null },
    resultDirectory: join(run.folder, `${index + 1}`),
    onPhase,
    signal: run.signal,
  })
  const { phases: results, errors } = official
  const subject = { name, fileSystem, phases: results, score: scoreOf(results), errors }
  return { subject, version: official.version }
}

function describe(place: string, { name, value, unit }: PhaseResult): string {
  return `${place}  ${name}  ${value.toFixed(3)} ${unit}`
}

function reportOf(run: Run, found: string, subjects: readonly Subject[]): Report {
  const { made, at, variant, ranks, stonewallSeconds, dropCaches: dropped } = run
  return {
    ...{ made, version: found, at, command: process.argv.slice(2), machine: machineFacts() },
    ...{ variant, ranks, stonewallSeconds, dropCaches: dropped, subjects },
  }
}

async function tell(report: Report, { folder, options }: Run): Promise<void> {
  const document = `${JSON.stringify(report, null, 2)}\n`
  const table = tableOf(report)
  if (folder !== null) {
    await writeFile(join(folder, 'report.json'), document)
    await writeFile(join(folder, 'table.txt'), `${table}\n`)
    await writeFile(join(folder, 'phases.svg'), pictureOf(report))
  }
  if (options.json === true) process.stdout.write(document)
  else console.log(table)
  if (folder !== null && options.quiet !== true) process.stderr.write(`kept in ${folder}\n`)
  const errors = report.subjects.flatMap(({ name, errors }) =>
    errors.map(each => `${name}: ${each}`),
  )
  if (errors.length > 0) throw new Failure(`the run has errors: ${errors.join('; ')}`)
}

function tableOf(report: Report): string {
  const [first, ...others] = report.subjects.map(({ name, fileSystem }) => ({
    title: `${name} (${fileSystem})`,
  }))
  const columns = [
    { title: 'PHASE', align: 'left' },
    { title: first?.title ?? '', align: 'right' },
    { title: 'UNIT', align: 'left' },
    ...others.flatMap(({ title }) => [
      { title, align: 'right' } as const,
      { title: 'RATIO', align: 'right' } as const,
    ]),
  ] as const
  return `${formatTable(columns, rowsOf(report.subjects))}\n(${termsOf(report)})`
}

/** Documentation/admin-guide/sysctl/vm.rst: 3 empties pages, dentries and inodes that are clean. */
async function dropCaches(): Promise<void> {
  const file = await open('/proc/sys/vm/drop_caches', 'w').catch(error => {
    throw new Failure(`the kernel's caches cannot be emptied: ${codeOf(error)}`)
  })
  try {
    await file.write('3')
  } finally {
    await file.close()
  }
}
