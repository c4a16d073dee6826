/** `rookery bench io500`: the phases of IO500 on a directory, beside others for comparison. */
import { mkdir, open, realpath, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { runPhases } from '../bench/io500/conductor.ts'
import { type PhaseResult, phases } from '../bench/io500/phases.ts'
import {
  machineFacts,
  type Report,
  rowsOf,
  type Subject,
  subjectOf,
} from '../bench/io500/report.ts'
import { collect, countBetween } from './arguments.ts'
import { Failure } from './failure.ts'
import { startProgress } from './progress.ts'
import { formatTable } from './table.ts'

interface BenchOptions {
  readonly compare?: readonly string[]
  readonly ranks: number
  readonly stonewall: number
  readonly dropCaches?: true
  readonly results?: string
  readonly json?: true
  readonly quiet?: true
}

const examples = `
Examples:
  $ rookery bench io500 ~/rookery
  $ rookery bench io500 ~/rookery --compare /var/tmp --stonewall 30

The figures are made by a built-in program with the phases and parameters of IO500 (io500.org), not by the
official one. They are no IO500 submission; compare them within one run.`

export function benchCommand(): Command {
  return new Command('bench')
    .description('Measure how fast a file system is.')
    .addCommand(
      new Command('io500')
        .description(
          'Run the twelve phases of IO500 on a directory, through a mount or on any disk.',
        )
        .argument(
          '<directory>',
          'an existing directory; a new one is made in it, and removed again',
        )
        .option('--compare <directory>', 'run on this one as well (repeatable)', collect(String))
        .option('--ranks <count>', 'worker processes', countBetween(1, 1024), 2)
        .option('--stonewall <seconds>', 'least time of each write phase', countBetween(1, 3600), 8)
        .option('--drop-caches', "empty the kernel's caches before reading (root)")
        .option('--results <directory>', 'keep the results there, as JSON')
        .option('--json', 'print the results as JSON')
        .option('-q, --quiet', 'no progress')
        .addHelpText('after', examples)
        .action(bench),
    )
}

async function bench(directory: string, options: BenchOptions): Promise<void> {
  const directories = await Promise.all([directory, ...(options.compare ?? [])].map(existing))
  const interrupted = new AbortController()
  const interrupt = () => interrupted.abort(new Failure('interrupted'))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const progress = startProgress({
    total: directories.length * phases.length,
    unit: 'steps',
    quiet: options.quiet === true,
  })
  const subjects: Subject[] = []
  try {
    for (const each of directories) {
      const results = await runPhases({
        directory: each,
        ranks: options.ranks,
        stonewallSeconds: options.stonewall,
        signal: interrupted.signal,
        onPhase: result => progress.advance(1, describe(each, result)),
        ...(options.dropCaches === true ? { beforeReading: dropCaches } : {}),
      })
      subjects.push(await subjectOf(each, results))
    }
  } finally {
    progress.end()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
  await tell(reportOf(subjects, options), options)
}

function describe(directory: string, { name, value, unit }: PhaseResult): string {
  return `${directory}  ${name}  ${value.toFixed(3)} ${unit}`
}

function reportOf(subjects: readonly Subject[], options: BenchOptions): Report {
  return {
    made: 'rookery built-in',
    at: new Date().toISOString(),
    command: process.argv.slice(2),
    machine: machineFacts(),
    ranks: options.ranks,
    stonewallSeconds: options.stonewall,
    cachesDropped: options.dropCaches === true,
    subjects,
  }
}

async function tell(report: Report, { json, results }: BenchOptions): Promise<void> {
  const document = `${JSON.stringify(report, null, 2)}\n`
  if (results !== undefined) {
    await mkdir(results, { recursive: true })
    await writeFile(join(results, `io500-${report.at.replaceAll(':', '')}.json`), document)
  }
  if (json === true) process.stdout.write(document)
  else console.log(tableOf(report))
}

function tableOf(report: Report): string {
  const [first, ...others] = report.subjects.map(({ directory, fileSystem }) => ({
    title: `${directory} (${fileSystem})`,
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
  return `${formatTable(columns, rowsOf(report.subjects))}\n(${report.made}, ${report.ranks} ranks, stonewall ${report.stonewallSeconds} s)`
}

async function existing(path: string): Promise<string> {
  const status = await stat(path).catch(() => null)
  if (status === null) throw new Failure(`${path} does not exist`)
  if (!status.isDirectory()) throw new Failure(`${path} is not a directory`)
  return await realpath(path)
}

/** Documentation/admin-guide/sysctl/vm.rst: 3 empties pages, dentries and inodes that are clean. */
async function dropCaches(): Promise<void> {
  const file = await open('/proc/sys/vm/drop_caches', 'w').catch((error: Error) => {
    throw new Failure(`the kernel's caches cannot be emptied: ${error.message}`)
  })
  try {
    await file.write('3')
  } finally {
    await file.close()
  }
}
