import test from 'ava'
import type { CheckReport, Finding } from '../client/checking/contract.ts'
import { describeReport, exitCodeOfReport, jsonOf } from './fsck-report.ts'

const clean: CheckReport = {
  passes: 1,
  partitions: 64,
  records: 100,
  directories: 3,
  files: 20,
  blocks: 5,
  dataBytes: 5 * 2 ** 20,
  verifiedBytes: 0,
  findings: [],
  untold: 0,
  undecided: 0,
}
const repaired: Finding = {
  fault: 'link-count',
  outcome: 'repaired',
  subject: 17,
  path: 'default:/a',
  detail: 'it counts 2 now',
}
const lost: Finding = { ...repaired, fault: 'bad-data', outcome: 'lost', path: null, detail: '' }
const left: Finding = { ...repaired, outcome: 'faulty' }

test('the exit status is that of fsck(8)', t => {
  t.is(exitCodeOfReport(clean), 0)
  t.is(exitCodeOfReport({ ...clean, findings: [repaired] }), 1)
  t.is(exitCodeOfReport({ ...clean, findings: [repaired, lost] }), 4)
  t.is(exitCodeOfReport({ ...clean, findings: [left] }), 4)
  t.is(exitCodeOfReport({ ...clean, untold: 1 }), 4)
  t.is(exitCodeOfReport({ ...clean, undecided: 1 }), 4)
})

test('a clean report says what was looked at, and nothing when it is to be quiet', t => {
  const text = describeReport(clean, { seconds: 1.234, quiet: false })
  t.is(text, '64 partitions in 1.2 s: 3 directories, 20 files, 5 MiB in 5 blocks\nno faults')
  t.is(describeReport(clean, { seconds: 1, quiet: true }), '')
})

test('findings are told with path and inode, and what is left with what to do', t => {
  const findings = [repaired, lost, left]
  const lines = describeReport({ ...clean, findings }, { seconds: 1, quiet: true }).split('\n')
  t.regex(lines[0]!, /^repaired {2}link-count {2}default:\/a \(inode 17\): .*: it counts 2 now$/)
  t.regex(lines[1]!, /^LOST {2}bad-data {2}inode 17: /)
  t.regex(lines[2]!, /^FAULT /)
  t.regex(lines.join('\n'), /\nbad-data \(1\): the file is read as an error/)
  t.regex(lines.join('\n'), /\nlink-count \(1\): with --repair, the count is set/)
})

test('the document for programs has a version, the exit code and every finding', t => {
  const document = jsonOf({ ...clean, findings: [lost] }) as Record<string, unknown>
  t.is(document.version, 1)
  t.is(document.exitCode, 4)
  t.deepEqual(document.findings, [
    { ...lost, summary: 'the data disk does not have what was written' },
  ])
})
