/** Results as a document that is kept, and as a table that is read. */
import { readFile } from 'node:fs/promises'
import { arch, cpus, release, totalmem, type } from 'node:os'
import { drawBars, figure } from '../plot/bars.ts'
import { type PhaseName, type PhaseResult, phases, type Score } from './phases.ts'
import type { RunSettings } from './settings.ts'

/** What ran: this project's own program, or the official `io500`. */
export type Maker = 'rookery built-in' | 'official io500'

/** One place's results. */
export interface Subject {
  /** The directory, or how it was reached. */
  readonly name: string
  /** Type of its file system, as in /proc/mounts. */
  readonly fileSystem: string
  readonly phases: readonly PhaseResult[]
  readonly score: Score
  /** What the program that ran holds against the run, other than its shortness. */
  readonly errors: readonly string[]
}

export interface Machine {
  readonly system: string
  readonly processors: string
  readonly memoryBytes: number
  readonly node: string
}

export interface Report extends RunSettings {
  readonly made: Maker
  /** Of the program that made it. */
  readonly version: string
  readonly at: string
  readonly command: readonly string[]
  readonly machine: Machine
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

/** proc_pid_mountinfo(5): the last mount whose point is a parent of the path. */
export async function fileSystemOf(path: string): Promise<string> {
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

/** On which terms the figures were made: no figure is told without it. */
export function termsOf(report: Report): string {
  const { made, version, variant, ranks, stonewallSeconds, dropCaches, machine } = report
  const which =
    made === 'official io500'
      ? `official ${version}`
      : `rookery's built-in phases ${version}, not the official program`
  const caches = dropCaches ? ', caches dropped' : ''
  return `${which}; ${variant} run: ${ranks} ranks, stonewall ${stonewallSeconds} s${caches}; ${machine.processors}`
}

/** The comparison as a picture: a document of SVG. */
export function pictureOf(report: Report): string {
  const { subjects } = report
  const scores = ['bandwidth', 'iops', 'total'] as const
  const names = { bandwidth: 'bandwidth', iops: 'metadata', total: 'total score' }
  const units = { bandwidth: 'GiB/s', iops: 'kIOPS', total: '' }
  return drawBars({
    title: 'IO500 phases',
    note: termsOf(report),
    series: subjects.map(({ name, fileSystem }) => `${name} (${fileSystem})`),
    groups: [
      ...phases.map(({ name, unit }) => ({
        ...{ name, unit },
        values: subjects.map(subject => figureOf(subject, name)),
      })),
      ...scores.map(score => ({
        ...{ name: names[score], unit: units[score] },
        values: subjects.map(subject => subject.score[score]),
      })),
    ],
  })
}
