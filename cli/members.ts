/** Lists, labels and removes members. */
import { formatBytes } from '../network/format/bytes.ts'
import { printable } from '../network/format/printable.ts'
import type { ManagerStatusReply } from '../network/wire/operations.ts'
import type { DiskReport, MemberStatus } from '../network/wire/view.ts'
import { statusFromWire } from '../network/wire/wire-view.ts'
import { accessFor } from './access.ts'
import { askManager } from './ask-manager.ts'
import { Failure } from './failure.ts'
import { findServer } from './find-server.ts'
import type { LabelOptions, ListOptions, RemoveOptions } from './member.ts'
import { type Column, formatTable } from './table.ts'

export async function listMembers(options: ListOptions): Promise<void> {
  const access = await accessFor(options)
  const { body } = await askManager(access, peer => peer.call('managerStatus', {}))
  const status = statusFromWire(body)
  if (options.json === true) console.log(JSON.stringify(membersOf(status), null, 2))
  else console.log(describeMembers(status))
}

export async function labelMember(named: string, options: LabelOptions): Promise<void> {
  const { name, domain, weight } = options
  if (name === undefined && domain === undefined && weight === undefined) {
    throw new Failure('what holds of it? Give --name, --domain or --weight', { usage: true })
  }
  const label = {
    ...(name === undefined ? {} : { name }),
    ...(domain === undefined ? {} : { domain }),
    ...(weight === undefined ? {} : { weight }),
  }
  const access = await accessFor(options)
  await askManager(access, async peer => {
    const { body } = await peer.call('managerStatus', {})
    const { id } = findServer(body.members, named)
    return peer.call('labelMember', { member: id, ...label })
  })
}

export async function removeMember(named: string, options: RemoveOptions): Promise<void> {
  const access = await accessFor(options)
  await askManager(access, async peer => {
    const { body } = await peer.call('managerStatus', {})
    const { id, name } = findServer(body.members, named)
    await peer.call('removeMember', { member: id, force: options.force === true })
    console.log(`${printable(name)} is no member any more`)
  })
}

export interface MemberRow {
  readonly id: string
  readonly peerId: string | null
  readonly name: string
  readonly role: 'server' | 'client'
  readonly state: string
  readonly domain: string
  readonly weight: number
  /** That it has a copy of; null for clients. */
  readonly partitions: number | null
  readonly disks: readonly DiskReport[]
}

const order = new Intl.Collator('en', { numeric: true })

/** Servers first, by name. Pure. */
export function membersOf(status: ManagerStatusReply): readonly MemberRow[] {
  const { members, view, draining } = status
  const held = (id: string): number =>
    view?.partitions.filter(({ replicas }) => replicas.includes(id)).length ?? 0
  return members
    .map(({ id, peerId, name, role, domain, weight, report, ...member }) => ({
      ...{ id, peerId, name, role, state: stateOf(member, draining.includes(id)), domain, weight },
      partitions: role === 'server' ? held(id) : null,
      disks: report?.disks ?? [],
    }))
    .toSorted((a, b) => order.compare(b.role, a.role) || order.compare(a.name, b.name))
}

/** `up`, `up, drains`, `down for 12 s`. */
export function stateOf(
  { alive, silentMs }: Pick<MemberStatus, 'alive' | 'silentMs'>,
  drains: boolean,
): string {
  const state = alive ? 'up' : `down for ${Math.round(silentMs / 1000)} s`
  return drains ? `${state}, drains` : state
}

const columns: readonly Column[] = [
  { title: 'MEMBER', align: 'left' },
  { title: 'ROLE', align: 'left' },
  { title: 'STATE', align: 'left' },
  { title: 'DOMAIN', align: 'left' },
  { title: 'WEIGHT', align: 'right' },
  { title: 'PARTITIONS', align: 'right' },
  { title: 'DISKS', align: 'left' },
  { title: 'ID', align: 'left' },
  { title: 'PEER ID', align: 'left' },
]

/** What a person is shown. Pure. */
export function describeMembers(status: ManagerStatusReply): string {
  const rows = membersOf(status).map(({ id, name, role, state, domain, weight, ...row }) => [
    ...[printable(name), role, state, role === 'server' ? printable(domain) : '-'],
    role === 'server' ? String(weight) : '-',
    row.partitions === null ? '-' : String(row.partitions),
    row.disks.map(describeDisk).join(', ') || '-',
    id,
    row.peerId ?? '-',
  ])
  return formatTable(columns, rows)
}

function describeDisk({ kind, state, freeBytes, totalBytes }: DiskReport): string {
  const room = `${kind} ${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free`
  return state === 'ok' ? room : `${room} (${state})`
}
