/** What the official program says: a line on each phase while it runs, and result.txt at the end. */
import { type PhaseName, type PhaseResult, phases } from '../phases.ts'

export interface OfficialResults {
  /** Of the program, as its build names it. */
  readonly version: string
  readonly phases: readonly PhaseResult[]
  /** What it holds against the run, except that it is shorter than the rules ask for. */
  readonly errors: readonly string[]
}

/** `[RESULT]  mdtest-easy-stat  113.41 kIOPS : time 1.111 seconds [INVALID]` on standard output. */
export function parseProgress(line: string): PhaseResult | null {
  const match = /^\[RESULT\]\s+(\S+)\s+([\d.]+)\s+\S+ : time ([\d.]+) seconds/.exec(line)
  const phase = phases.find(({ name }) => name === match?.[1])
  if (match === null || phase === undefined) return null
  return resultOf(phase.name, Number(match[2]), Number(match[3]))
}

/** Complaints that only say that the stonewall is shorter than 300 s. */
const ofShortRuns = [/^stonewall-time \d+s != \d+s/, /^Runtime is smaller than expected minimum/]

/** What it complains of when a phase was told not to run. */
const ofSkipped = /^Resulting score shouldn't be 0\.0/

/** @throws when a phase or its figure is missing. */
export function parseResults(text: string): OfficialResults {
  const found = new Map<string, Map<string, string>>()
  const errors: string[] = []
  let section = 'before any section'
  for (const line of text.split('\n')) {
    const heading = /^\[(.+)\]$/.exec(line)?.[1]
    if (heading !== undefined) {
      section = heading
      found.set(section, new Map())
    }
    const complaint = /^; (?:ERROR|WARNING) (?:INVALID )?(.*)$/.exec(line)?.[1]
    if (complaint !== undefined && counts(section, complaint)) {
      errors.push(`${section}: ${complaint}`)
    }
    const [, key, value] = /^([\w-]+)\s*= (.*)$/.exec(line) ?? []
    if (key !== undefined && value !== undefined) found.get(section)?.set(key, value)
  }
  const results = phases.map(({ name }) => {
    const section = found.get(name)
    return resultOf(name, Number(section?.get('score')), Number(section?.get('t_delta')))
  })
  return { version: found.get('run')?.get('version') ?? 'unknown', phases: results, errors }
}

function counts(section: string, complaint: string): boolean {
  if (ofShortRuns.some(pattern => pattern.test(complaint))) return false
  return phases.some(({ name }) => name === section) || !ofSkipped.test(complaint)
}

function resultOf(name: PhaseName, value: number, seconds: number): PhaseResult {
  if (!(Number.isFinite(value) && Number.isFinite(seconds))) {
    throw new Error(`the results of the official program have no figure of ${name}`)
  }
  const unit = phases.find(phase => phase.name === name)?.unit ?? 'kIOPS'
  return { name, unit, value, seconds, count: null }
}
