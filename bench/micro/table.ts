/** What a benchmark reports, and how it is shown. */

export interface Row {
  readonly what: string
  readonly value: number
  readonly unit: string
  /** The same measured on bare parts in the same run, and what it is. */
  readonly against?: { readonly value: number; readonly what: string }
}

export interface Benchmark {
  readonly name: string
  run(): Promise<Row[]>
}

export function printTable(name: string, rows: readonly Row[]): void {
  console.log(`\n${name}`)
  const width = Math.max(...rows.map(row => row.what.length))
  for (const { what, value, unit, against } of rows) {
    const line = `  ${what.padEnd(width)}  ${figure(value).padStart(9)} ${unit.padEnd(8)}`
    const ratio = against === undefined ? '' : (value / against.value).toFixed(2)
    const other =
      against === undefined ? '' : `  ${ratio} of ${against.what}, ${figure(against.value)}`
    console.log(`${line}${other}`.trimEnd())
  }
}

function figure(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(value >= 10 ? 1 : 2)
}

/** Runs `work` for about `forMs` after a warm-up. @returns how often per second. */
export function perSecond(work: () => void, forMs = 300): number {
  const until = (ms: number) => {
    const start = performance.now()
    let count = 0
    for (; performance.now() - start < ms; count += 16) for (let i = 0; i < 16; i++) work()
    return (count * 1000) / (performance.now() - start)
  }
  until(forMs / 3)
  return until(forMs)
}
