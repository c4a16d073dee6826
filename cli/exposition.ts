/** Metrics in the text format that Prometheus scrapes, with those of the process itself, by prom-client. */
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram as PromHistogram,
  Registry,
} from 'prom-client'
import type { Distribution, Histogram, Metric, Numbers } from '../network/metrics/metric.ts'

export interface Exposition {
  readonly type: string
  readonly body: string
}

/** Processor time, memory, event loop, collections, descriptors: gathered from the first call on. */
let ofProcess: Registry | null = null

function processRegistry(): Registry {
  if (ofProcess !== null) return ofProcess
  ofProcess = new Registry()
  collectDefaultMetrics({ register: ofProcess })
  return ofProcess
}

/** @param metrics no two of one name. */
export async function expose(metrics: readonly Metric[]): Promise<Exposition> {
  const registry = new Registry()
  for (const metric of metrics) {
    if (metric.kind === 'histogram') registry.registerMetric(new Taken(metric))
    else register(registry, metric)
  }
  const all = Registry.merge([registry, processRegistry()])
  return { type: all.contentType, body: await all.metrics() }
}

function register(registry: Registry, { kind, name, help, samples }: Numbers): void {
  const labelNames = Object.keys(samples[0]?.labels ?? {})
  const config = { name, help, labelNames, registers: [registry] }
  if (kind === 'counter') {
    const counter = new Counter(config)
    for (const { labels, value } of samples) counter.inc(labels, value)
  } else {
    const gauge = new Gauge(config)
    for (const { labels, value } of samples) gauge.set(labels, value)
  }
}

/**
 * A histogram whose values were counted elsewhere: prom-client's own only counts one by one, and has a way of
 * its own to be read. So this is one in what it tells alone.
 */
class Taken extends Gauge {
  readonly #taken: Histogram

  constructor(taken: Histogram) {
    super({ name: taken.name, help: taken.help, registers: [] })
    this.#taken = taken
  }

  override async get(): ReturnType<PromHistogram['get']> {
    const { name, help, distributions } = this.#taken
    const empty = await new PromHistogram({ name, help, registers: [] }).get()
    return { ...empty, values: distributions.flatMap(found => [...lines(name, found)]) }
  }
}

interface Line {
  readonly metricName: string
  readonly labels: Record<string, string | number>
  readonly value: number
}

/** Buckets hold what is in those below, too. */
function* lines(name: string, { labels, bounds, counts, sum }: Distribution): Generator<Line> {
  let total = 0
  for (const [index, count] of counts.entries()) {
    total += count
    const le = bounds[index] ?? '+Inf'
    yield { metricName: `${name}_bucket`, labels: { ...labels, le }, value: total }
  }
  yield { metricName: `${name}_sum`, labels: { ...labels }, value: sum }
  yield { metricName: `${name}_count`, labels: { ...labels }, value: total }
}
