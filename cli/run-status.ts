/** Asks the manager who there is, and each server what it holds, and shows it. */
import { formatBytes } from '../network/format/bytes.ts'
import { printable } from '../network/format/printable.ts'
import type { ManagerStatusReply, ServerStatusReply } from '../network/wire/operations.ts'
import type { MemberStatus } from '../network/wire/view.ts'
import { statusFromWire } from '../network/wire/wire-view.ts'
import { type Access, accessFor } from './access.ts'
import { askManager, askOne } from './ask-manager.ts'
import { describeHeld, describeMoves } from './draining.ts'
import { describeError } from './failure.ts'
import { stateOf as stateOfMember } from './members.ts'
import type { StatusOptions } from './status.ts'
import { type Column, formatTable } from './table.ts'

export interface ServerState {
  readonly member: MemberStatus
  /** null when it does not answer. */
  readonly status: ServerStatusReply | null
}

export async function runStatus(options: StatusOptions): Promise<void> {
  const access = await accessFor(options)
  const { managers } = access
  const { body } = await askManager(access, peer => peer.call('managerStatus', {}))
  const manager = statusFromWire(body)
  const { members } = manager
  const servers = await Promise.all(
    members
      .filter(({ role }) => role === 'server')
      .toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
      .map(member => stateOf(member, access)),
  )
  if (options.json === true) {
    console.log(JSON.stringify({ managers, ...manager, servers }, null, 2))
  } else {
    console.log(describe(manager, servers))
  }
}

async function stateOf(member: MemberStatus, access: Access): Promise<ServerState> {
  if (!member.alive) return { member, status: null }
  try {
    const { id, addresses } = member
    const asked = { role: 'server', id, addresses } as const
    const reply = await askOne(access, asked, peer => peer.call('serverStatus', {}))
    return { member, status: reply.body }
  } catch (error) {
    process.stderr.write(`rookery: server ${printable(member.name)}: ${describeError(error)}\n`)
    return { member, status: null }
  }
}

const columns: readonly Column[] = [
  { title: 'SERVER', align: 'left' },
  { title: 'STATE', align: 'left' },
  { title: 'PARTITIONS', align: 'right' },
  { title: 'INODES', align: 'right' },
  { title: 'BLOCKS', align: 'right' },
  { title: 'DATA', align: 'right' },
  { title: 'META DISK', align: 'right' },
  { title: 'DATA DISK', align: 'right' },
  { title: 'ADDRESSES', align: 'left' },
]

/** What a person is shown. Pure. */
export function describe(manager: ManagerStatusReply, servers: readonly ServerState[]): string {
  const { cluster, view, members, serversWanted, page, draining } = manager
  const clients = members.filter(({ role, alive }) => role === 'client' && alive)
  const head =
    view === null
      ? `cluster ${cluster}: waiting for servers, ${servers.length} of ${serversWanted} have joined`
      : `cluster ${cluster}: epoch ${view.epoch}, ${view.partitions.length} partitions, ${view.replicaCount} replica${view.replicaCount === 1 ? '' : 's'}`
  const rows = servers.map(server => row(server, draining.includes(server.member.id)))
  const lines = [head, '', formatTable(columns, rows), '', ...describeCopies(manager)]
  const homeless = view?.partitions.filter(({ primary }) => primary === null).length ?? 0
  if (homeless > 0) lines.push(`${homeless} partitions have no server that is up`)
  lines.push(`clients: ${clients.map(({ name }) => printable(name)).join(', ') || 'none'}`)
  if (page !== null) lines.push(`page: ${page}`)
  return lines.join('\n')
}

/** Lines about copies and moves; none when there is nothing to tell. Pure. */
function describeCopies(manager: ManagerStatusReply): string[] {
  const { view, frozen, moves, movesWaiting } = manager
  const replicas = view?.replicaCount ?? 1
  const lacking = view?.partitions.filter(({ inSync }) => inSync.length < replicas).length ?? 0
  return [
    ...(frozen === null ? [] : [`nothing is changed: ${frozen}`]),
    ...(lacking > 0 ? [`${lacking} partitions have fewer than ${replicas} copies in sync`] : []),
    ...(moves.length + movesWaiting > 0 ? [`moves: ${describeMoves(manager)}`] : []),
    ...moves
      .filter(({ held }) => held !== undefined)
      .slice(0, heldShown)
      .map(describeHeld),
  ]
}

/** Moves that are held up and told one by one; `--json` has more. */
const heldShown = 8

function row({ member, status }: ServerState, drains: boolean): string[] {
  const report = status?.report ?? member.report
  const disk = (kind: 'meta' | 'data'): string => {
    const found = report?.disks.find(candidate => candidate.kind === kind)
    if (found === undefined) return '-'
    const free = `${formatBytes(found.freeBytes)} free`
    return found.state === 'ok' ? free : `${found.state}, ${free}`
  }
  return [
    printable(member.name),
    stateName(member, status, drains),
    status === null ? '-' : String(status.partitions.length),
    status === null ? '-' : String(sum(status.partitions.map(({ inodes }) => inodes))),
    status === null ? '-' : String(sum(status.partitions.map(({ blocks }) => blocks))),
    status === null ? '-' : formatBytes(sum(status.partitions.map(({ blockBytes }) => blockBytes))),
    disk('meta'),
    disk('data'),
    member.addresses.join(' ') || '-',
  ]
}

function stateName(
  member: MemberStatus,
  status: ServerStatusReply | null,
  drains: boolean,
): string {
  const state = stateOfMember(member, drains)
  return member.alive && status === null ? 'does not answer' : state
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
