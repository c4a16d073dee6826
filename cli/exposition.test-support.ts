/**
 * Reads the text format that Prometheus scrapes, as strictly as it is described at
 * https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4).
 */

export interface Scraped {
  /** By the whole name with its labels, as it stands in the text. */
  readonly values: ReadonlyMap<string, number>
  readonly types: ReadonlyMap<string, string>
}

const name = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const label = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"'
const sampleLine = new RegExp(`^(${name})(?:\\{(${label}(?:,${label})*)\\})? (\\S+)$`)
const helpLine = new RegExp(`^# HELP (${name}) (?:[^\\\\]|\\\\[\\\\n])+$`)
const typeLine = new RegExp(`^# TYPE (${name}) (counter|gauge|histogram|summary|untyped)$`)

/** @throws Error that names the first line that is wrong. */
export function readExposition(text: string): Scraped {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const values = new Map<string, number>()
  const types = new Map<string, string>()
  const helped = new Set<string>()
  let family = ''
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue
    const [help, type] = [helpLine.exec(line)?.[1], typeLine.exec(line)]
    if (help !== undefined) {
      if (helped.has(help)) throw new Error(`${help} is described twice`)
      helped.add(help)
      family = help
    } else if (type !== null) {
      const [, of = '', kind = ''] = type
      if (of !== family || types.has(of)) throw new Error(`out of place: ${line}`)
      types.set(of, kind)
    } else readSample(line, family, types, values)
  }
  checkHistograms(types, values)
  return { values, types }
}

function readSample(
  line: string,
  family: string,
  types: ReadonlyMap<string, string>,
  values: Map<string, number>,
): void {
  const found = sampleLine.exec(line)
  if (found === null) throw new Error(`no sample: ${line}`)
  const [, sample = '', labels = '', text = ''] = found
  const suffixes = types.get(family) === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
  if (!suffixes.some(suffix => sample === `${family}${suffix}`)) {
    // The process's own summaries have more forms, which are not ours to check.
    if (types.get(family) !== 'summary') throw new Error(`${sample} stands under ${family}`)
  }
  const key = labels === '' ? sample : `${sample}{${labels}}`
  if (values.has(key)) throw new Error(`twice: ${key}`)
  const value = text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text)
  if (Number.isNaN(value) && text !== 'NaN' && text !== 'Nan') throw new Error(`no value: ${line}`)
  if (types.get(family) === 'counter' && !(value >= 0)) throw new Error(`below 0: ${line}`)
  values.set(key, value)
}

/** Buckets rise, and the last one has all. */
function checkHistograms(
  types: ReadonlyMap<string, string>,
  values: ReadonlyMap<string, number>,
): void {
  for (const [family, kind] of types) {
    if (kind !== 'histogram') continue
    const last = new Map<string, number>()
    for (const [key, value] of values) {
      if (!key.startsWith(`${family}_bucket{`)) continue
      const others = withoutBound(key.slice(`${family}_bucket`.length))
      if (value < (last.get(others) ?? 0)) throw new Error(`falls: ${key}`)
      last.set(others, value)
      if (!key.includes('le="+Inf"')) continue
      const count = values.get(`${family}_count${others}`)
      if (count !== value) throw new Error(`${key} is ${value}, of ${count}`)
    }
  }
}

/** The labels but for `le`, which may stand anywhere among them. */
function withoutBound(labels: string): string {
  const others = labels.replace(/(?<=[{,])le="[^"]*",?/, '').replace(/,\}$/, '}')
  return others === '{}' ? '' : others
}
