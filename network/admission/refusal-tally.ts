/** Counts those that one process refused, by reason, for whoever watches it. */
import { counter, type Metric } from '../metrics/metric.ts'
import { type RefusalReason, refusalReasons } from './refusal.ts'

export class RefusalTally {
  readonly #counts = new Map<RefusalReason, number>(refusalReasons.map(reason => [reason, 0]))

  add(reason: RefusalReason): void {
    this.#counts.set(reason, this.of(reason) + 1)
  }

  of(reason: RefusalReason): number {
    return this.#counts.get(reason) ?? 0
  }

  metrics(): readonly Metric[] {
    const samples = [...this.#counts].map(([reason, value]) => ({ labels: { reason }, value }))
    return [counter('rookery_refusals_total', 'Peers refused or cut off, by reason.', samples)]
  }
}
