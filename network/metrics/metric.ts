/**
 * What a member counts, as it is told to whoever watches it: the terms are those of Prometheus
 * (https://prometheus.io/docs/concepts/metric_types/). Made when it is asked for, from plain numbers.
 */

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly labels: Labels
  readonly value: number
}

/** How many values fell where. */
export interface Distribution {
  readonly labels: Labels
  /** Upper bounds of all buckets but the last, which has none. Rising. */
  readonly bounds: readonly number[]
  /** Values of each bucket alone, one number more than there are bounds. */
  readonly counts: readonly number[]
  readonly sum: number
}

interface Described {
  /** `rookery_…`, its unit last; `_total` for what only grows. */
  readonly name: string
  readonly help: string
}

export interface Numbers extends Described {
  readonly kind: 'counter' | 'gauge'
  /** No two with the same labels. */
  readonly samples: readonly Sample[]
}

export interface Histogram extends Described {
  readonly kind: 'histogram'
  readonly distributions: readonly Distribution[]
}

export type Metric = Numbers | Histogram

/** Only grows, until the process ends. */
export function counter(name: string, help: string, value: number | readonly Sample[]): Metric {
  return { kind: 'counter', name, help, samples: samplesOf(value) }
}

/** Goes up and down. */
export function gauge(name: string, help: string, value: number | readonly Sample[]): Metric {
  return { kind: 'gauge', name, help, samples: samplesOf(value) }
}

function samplesOf(value: number | readonly Sample[]): readonly Sample[] {
  return typeof value === 'number' ? [{ labels: {}, value }] : value
}
