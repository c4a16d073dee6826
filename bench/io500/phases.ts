/** The twelve phases of IO500 (io500.org), in the order in which they are run, and their score. */

/** GiB/s for data, thousands of operations per second for metadata. */
export type Unit = 'GiB/s' | 'kIOPS'

interface Phase {
  readonly name: string
  readonly unit: Unit
  /** Ends when the stonewall is reached; then everybody does as much as the fastest. */
  readonly writes: boolean
}

export const phases = [
  { name: 'ior-easy-write', unit: 'GiB/s', writes: true },
  { name: 'mdtest-easy-write', unit: 'kIOPS', writes: true },
  { name: 'ior-hard-write', unit: 'GiB/s', writes: true },
  { name: 'mdtest-hard-write', unit: 'kIOPS', writes: true },
  { name: 'find', unit: 'kIOPS', writes: false },
  { name: 'ior-easy-read', unit: 'GiB/s', writes: false },
  { name: 'mdtest-easy-stat', unit: 'kIOPS', writes: false },
  { name: 'ior-hard-read', unit: 'GiB/s', writes: false },
  { name: 'mdtest-hard-stat', unit: 'kIOPS', writes: false },
  { name: 'mdtest-easy-delete', unit: 'kIOPS', writes: false },
  { name: 'mdtest-hard-read', unit: 'kIOPS', writes: false },
  { name: 'mdtest-hard-delete', unit: 'kIOPS', writes: false },
] as const satisfies readonly Phase[]

export type PhaseName = (typeof phases)[number]['name']

export interface PhaseResult {
  readonly name: PhaseName
  readonly unit: Unit
  readonly value: number
  /** From the first worker's start to the last one's end. */
  readonly seconds: number
  /** Transfers, files or entries, of all workers; null where the program that ran does not say. */
  readonly count: number | null
}

export interface Score {
  /** Geometric mean of the data phases, GiB/s. */
  readonly bandwidth: number
  /** Geometric mean of the metadata phases, kIOPS. */
  readonly iops: number
  /** Geometric mean of the two. */
  readonly total: number
}

export function scoreOf(results: readonly PhaseResult[]): Score {
  const bandwidth = geometricMean(results.filter(({ unit }) => unit === 'GiB/s'))
  const iops = geometricMean(results.filter(({ unit }) => unit === 'kIOPS'))
  return { bandwidth, iops, total: Math.sqrt(bandwidth * iops) }
}

function geometricMean(results: readonly PhaseResult[]): number {
  const logarithms = results.reduce((sum, { value }) => sum + Math.log(value), 0)
  return results.length === 0 ? 0 : Math.exp(logarithms / results.length)
}
