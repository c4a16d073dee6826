/**
 * Several kept runs side by side: `node bench/io500/combine.ts OUT NAME=RUN...` takes the report of each run's
 * folder and writes one report, table and picture into OUT, the first as what the others are compared with.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatTable } from '../../cli/table.ts'
import { pictureOf, type Report, rowsOf, termsOf } from './report.ts'

export interface NamedReport {
  readonly name: string
  readonly report: Report
}

/** @throws when they were made by different programs or on different terms: such figures do not compare. */
export function combine(reports: readonly NamedReport[]): Report {
  const [first] = reports
  if (first === undefined) throw new Error('name at least one run')
  for (const { name, report } of reports) {
    if (termsOf(report) !== termsOf(first.report)) {
      const terms = `${termsOf(report)}; ${first.name} was: ${termsOf(first.report)}`
      throw new Error(`${name} was made on other terms than ${first.name}: ${terms}`)
    }
  }
  const subjects = reports.flatMap(({ name, report }) =>
    report.subjects.slice(0, 1).map(subject => ({ ...subject, name })),
  )
  return { ...first.report, subjects }
}

export function tableOfReport(report: Report): string {
  const [first, ...others] = report.subjects.map(({ name }) => ({ title: name }))
  const right = (title: string) => ({ title, align: 'right' }) as const
  const left = (title: string) => ({ title, align: 'left' }) as const
  const columns = [
    ...[left('PHASE'), right(first?.title ?? ''), left('UNIT')],
    ...others.flatMap(({ title }) => [right(title), right('RATIO')]),
  ]
  return `${formatTable(columns, rowsOf(report.subjects))}\n(${termsOf(report)})`
}

async function main([out, ...runs]: readonly string[]): Promise<void> {
  if (out === undefined || runs.length === 0) throw new Error('combine.ts OUT NAME=RUN...')
  const reports = await Promise.all(
    runs.map(async run => {
      const at = run.indexOf('=')
      const text = await readFile(join(run.slice(at + 1), 'report.json'), 'utf8')
      const report: Report = JSON.parse(text)
      return { name: run.slice(0, at), report }
    }),
  )
  const combined = combine(reports)
  await mkdir(out, { recursive: true })
  const commands = reports.map(({ name, report }) => `${name}: rookery ${report.command.join(' ')}`)
  const table = tableOfReport(combined)
  await writeFile(join(out, 'table.txt'), `${table}\n\n${commands.join('\n')}\n`)
  await writeFile(join(out, 'phases.svg'), pictureOf(combined))
  console.log(table)
}

if (import.meta.main) await main(process.argv.slice(2))
