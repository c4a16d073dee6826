/** What a person, a program and the shell are told of a check. Pure. */
import type { CheckReport, Finding } from '../client/checking/contract.ts'
import { type FaultCode, faults } from '../network/checking/faults.ts'
import { formatBytes } from '../network/format/bytes.ts'

/** As of fsck(8). */
export const fsckExit = {
  clean: 0,
  repaired: 1,
  faultsLeft: 4,
  operational: 8,
  cancelled: 32,
} as const

export function exitCodeOfReport({ findings, untold, undecided }: CheckReport): number {
  const left = findings.some(({ outcome }) => outcome !== 'repaired') || untold > 0
  if (left) return fsckExit.faultsLeft
  if (findings.length > 0) return fsckExit.repaired
  return undecided > 0 ? fsckExit.faultsLeft : fsckExit.clean
}

/** Fields are added to it, and never change their meaning. */
export function jsonOf(report: CheckReport): object {
  const { findings, ...numbers } = report
  return {
    version: 1,
    exitCode: exitCodeOfReport(report),
    ...numbers,
    findings: findings.map(finding => ({ ...finding, summary: faults[finding.fault].summary })),
  }
}

export function describeReport(
  report: CheckReport,
  { seconds, quiet }: { readonly seconds: number; readonly quiet: boolean },
): string {
  const { findings, untold, undecided } = report
  const lines = findings.map(describeFinding)
  if (untold > 0) lines.push(`and ${untold} more: run it again when these are repaired`)
  if (undecided > 0) {
    lines.push(`${undecided} suspicions could not be decided, for what kept changing: run it again`)
  }
  if (!quiet) lines.push(...summaryOf(report, seconds))
  if (findings.length > 0) lines.push('', ...remediesOf(findings))
  return lines.join('\n')
}

function describeFinding({ fault, outcome, subject, path, detail }: Finding): string {
  const what = fault === 'partition-count' ? `partition ${subject}` : `inode ${subject}`
  const where = path === null ? what : `${path} (${what})`
  const about = fault === 'stuck-transaction' ? '' : `${where}: `
  const state = { repaired: 'repaired', faulty: 'FAULT', lost: 'LOST' }[outcome]
  const more = detail === '' ? '' : `: ${detail}`
  return `${state}  ${fault}  ${about}${faults[fault].summary}${more}`
}

function summaryOf(report: CheckReport, seconds: number): string[] {
  const { partitions, directories, files, blocks, dataBytes, verifiedBytes, findings } = report
  const read = verifiedBytes > 0 ? `, ${formatBytes(verifiedBytes)} of them read` : ''
  const data = `${formatBytes(dataBytes)} in ${blocks} blocks${read}`
  const counts = `${directories} directories, ${files} files, ${data}`
  const repairs = findings.filter(({ outcome }) => outcome === 'repaired').length
  const left = findings.length - repairs
  const found = findings.length === 0 ? 'no faults' : `${repairs} faults repaired, ${left} left`
  return [`${partitions} partitions in ${seconds.toFixed(1)} s: ${counts}`, found]
}

/** What is done, or left to do, about each kind of fault that is left. */
function remediesOf(findings: readonly Finding[]): string[] {
  const left = findings.filter(({ outcome }) => outcome !== 'repaired')
  const byFault = Map.groupBy(left, ({ fault }) => fault)
  return [...byFault].map(([fault, found]) => remedyOf(fault, found))
}

function remedyOf(fault: FaultCode, found: readonly Finding[]): string {
  const repairable = found.some(({ outcome }) => outcome === 'faulty')
  const how = repairable ? 'with --repair, ' : ''
  return `${fault} (${found.length}): ${how}${faults[fault].remedy}`
}
