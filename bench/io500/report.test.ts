import test from 'ava'
import { combine, tableOfReport } from './combine.ts'
import { type PhaseResult, phases, scoreOf } from './phases.ts'
import {
  fileSystemOf,
  machineFacts,
  pictureOf,
  type Report,
  rowsOf,
  type Subject,
  termsOf,
} from './report.ts'

function subjectOf(name: string, value: number): Subject {
  const results: PhaseResult[] = phases.map(phase => ({
    ...{ name: phase.name, unit: phase.unit, value },
    ...{ seconds: 1, count: null },
  }))
  return { name, fileSystem: 'proc', phases: results, score: scoreOf(results), errors: [] }
}

function reportOf(made: Report['made']): Report {
  return {
    ...{ made, version: '1.2', at: '2026-01-01T00:00:00.000Z', command: [] },
    ...{ machine: machineFacts(), variant: 'quick', ranks: 2, stonewallSeconds: 3 },
    ...{ dropCaches: false, subjects: [subjectOf('/a & b', 2), subjectOf('/c', 4)] },
  }
}

test('the table compares the first place with each of the others', t => {
  const rows = rowsOf(reportOf('rookery built-in').subjects)
  t.deepEqual(rows[0], ['ior-easy-write', '2.000', 'GiB/s', '4.000', '0.50'])
  t.is(rows.length, phases.length + 3)
})

test('what made the figures is told with them', t => {
  t.regex(termsOf(reportOf('rookery built-in')), /^rookery's built-in .* not the official/)
  t.regex(termsOf(reportOf('official io500')), /^official 1\.2; quick run: 2 ranks, stonewall 3 s/)
})

test('the picture shows every phase of every place, on what terms, and how they compare', t => {
  const picture = pictureOf(reportOf('official io500'))
  for (const { name } of phases) t.true(picture.includes(`>${name}<`), name)
  t.true(picture.includes('/a &amp; b (proc)'))
  t.true(picture.includes('official 1.2'))
  t.is(picture.split('(1 : 0.50)').length - 1, phases.length + 3)
  t.false(/NaN|Infinity|undefined/.test(picture))
})

test('the file system of a directory is that of the innermost mount', async t => {
  t.is(await fileSystemOf('/proc/sys'), 'proc')
  t.not(await fileSystemOf('/'), 'unknown')
})

test('runs on the same terms stand side by side; others are refused', t => {
  const one = reportOf('rookery built-in')
  const combined = combine([
    { name: 'one mount', report: one },
    { name: 'two mounts', report: one },
  ])
  t.deepEqual(
    combined.subjects.map(({ name }) => name),
    ['one mount', 'two mounts'],
  )
  t.regex(tableOfReport(combined), /^PHASE +one mount +UNIT +two mounts +RATIO\n/)
  const others = [{ ...one, stonewallSeconds: 9 }, reportOf('official io500')]
  for (const report of others) {
    const runs = [
      { name: 'a', report: one },
      { name: 'b', report },
    ]
    t.throws(() => combine(runs), { message: /^b was made on other terms than a/ })
  }
})
