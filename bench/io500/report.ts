/** Results as a document that is kept, and as a table that is read. */
import { readFile } from 'node:fs/promises'
import { arch, cpus, release, totalmem, type } from 'node:os'
import { type PhaseName, type PhaseResult, phases, type Score, scoreOf } from './phases.ts'

/** One directory's results. */
export interface Subject {
  readonly directory: string
  /** Type of its file system, as in /proc/mounts. */
  readonly fileSystem: string
  readonly phases: readonly PhaseResult[]
  readonly score: Score
}

export interface Machine {
  readonly system: string
  readonly processors: string
  readonly memoryBytes: number
  readonly node: string
}

export interface Report {
  /** Which program made the figures: this one, or the official `io500`. */
  readonly made: 'rookery built-in' | 'official io500'
  readonly at: string
  readonly command: readonly string[]
  readonly machine: Machine
  readonly ranks: number
  readonly stonewallSeconds: number
  readonly cachesDropped: boolean
  /** The first is what was asked about, the others what it is compared with. */
  readonly subjects: readonly Subject[]
}

export function machineFacts(): Machine {
  const [first] = cpus()
  return {
    system: `${type()} ${release()} ${arch()}`,
    processors: `${cpus().length} × ${first?.model.trim() ?? 'unknown'}`,
    memoryBytes: totalmem(),
    node: process.version,
  }
}

export async function subjectOf(
  directory: string,
  results: readonly PhaseResult[],
): Promise<Subject> {
  const fileSystem = await fileSystemOf(directory)
  return { directory, fileSystem, phases: results, score: scoreOf(results) }
}

/** proc_pid_mountinfo(5): the last mount whose point is a parent of the path. */
async function fileSystemOf(path: string): Promise<string> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  let found = { point: '', type: 'unknown' }
  for (const line of lines) {
    const [before = '', after = ''] = line.split(' - ')
    const point = before.split(' ')[4] ?? ''
    const inside = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`)
    if (point !== '' && inside && point.length >= found.point.length) {
      found = { point, type: after.split(' ')[0] ?? 'unknown' }
    }
  }
  return found.type
}

/** A line for each phase and for the scores: first the subject's figures, then its ratios to the others'. */
export function rowsOf(subjects: readonly Subject[]): readonly (readonly string[])[] {
  const [first, ...others] = subjects
  if (first === undefined) return []
  const row = (name: string, unit: string, of: (subject: Subject) => number) => [
    name,
    figure(of(first)),
    unit,
    ...others.flatMap(other => [figure(of(other)), `${(of(first) / of(other)).toFixed(2)}`]),
  ]
  return [
    ...phases.map(({ name, unit }) => row(name, unit, subject => figureOf(subject, name))),
    row('bandwidth', 'GiB/s', ({ score }) => score.bandwidth),
    row('metadata', 'kIOPS', ({ score }) => score.iops),
    row('total score', '', ({ score }) => score.total),
  ]
}

function figureOf(subject: Subject, name: PhaseName): number {
  return subject.phases.find(phase => phase.name === name)?.value ?? 0
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 3)
}
