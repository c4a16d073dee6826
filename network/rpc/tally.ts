/**
 * Counts calls by operation and result, and how long they took, for whoever watches a member. There is one
 * only where somebody asked for metrics; without it a call costs a comparison more.
 */
import { RefusalTally } from '../admission/refusal-tally.ts'
import type { Env } from '../env/env.ts'
import { ClusterError, PosixError } from '../errors.ts'
import { Durations } from '../metrics/durations.ts'
import { counter, type Distribution, type Metric, type Sample } from '../metrics/metric.ts'
import { operationNumbers } from '../wire/operations.ts'

/** What a file system says (ENOENT), what members say to each other (STALE_EPOCH, TIMEOUT), or a fault of ours. */
const results = ['ok', 'posix_error', 'cluster_error', 'internal_error'] as const
export const callOk = 0

const kinds = Math.max(...Object.values(operationNumbers)) + 1
/** No operation has it: stands for numbers that are none. */
const unknown = 0

export class CallTally {
  readonly #durations: Durations
  readonly #results = new Float64Array(kinds * results.length)

  constructor(env: Env) {
    this.#durations = new Durations(env, kinds)
  }

  /** When a call begins, for `ended`. */
  nowMs(): number {
    return this.#durations.nowMs()
  }

  /** @param result `callOk`, or what `resultOf` makes of an error. */
  ended(operation: number, result: number, startedMs: number): void {
    const kind = operation < kinds ? operation : unknown
    this.#results[kind * results.length + result]! += 1
    this.#durations.ended(kind, startedMs)
  }

  /** @param prefix of the names: `rookery_rpc_served`. @param what they are, for people. */
  metrics(prefix: string, what: string): readonly Metric[] {
    const samples: Sample[] = []
    const distributions: Distribution[] = []
    for (const [operation, kind] of [['unknown', unknown] as const, ...named]) {
      const found = this.#durations.distribution(kind, { operation })
      if (found === null) continue
      distributions.push(found)
      for (const [index, result] of results.entries()) {
        const value = this.#results[kind * results.length + index]!
        if (value > 0 || index === callOk) samples.push({ labels: { operation, result }, value })
      }
    }
    return [
      counter(`${prefix}_total`, `${what}, by operation and result.`, samples),
      {
        kind: 'histogram',
        name: `${prefix}_seconds`,
        help: `Time that ${what.toLowerCase()} took.`,
        distributions,
      },
    ]
  }
}

const named = Object.entries(operationNumbers)

/** The result that an error is counted under. */
export function resultOf(error: unknown): number {
  if (error instanceof PosixError) return 1
  return error instanceof ClusterError ? 2 : 3
}

/** Of one process: what it served, and what it asked of others. */
export class RpcTally {
  readonly served: CallTally
  readonly made: CallTally
  readonly refused = new RefusalTally()

  constructor(env: Env) {
    this.served = new CallTally(env)
    this.made = new CallTally(env)
  }

  metrics(): readonly Metric[] {
    return [
      ...this.served.metrics('rookery_rpc_served', 'Requests served for other members'),
      ...this.made.metrics('rookery_rpc_made', 'Calls made to other members'),
      ...this.refused.metrics(),
    ]
  }
}
