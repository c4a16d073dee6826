/** Asks the manager who there is, and each server what it holds, and shows it. */
import { realEnv } from '../network/env/real.ts'
import { formatBytes } from '../network/format/bytes.ts'
import { protocolVersion } from '../network/limits.ts'
import { transportFor } from '../network/membership/transport-for.ts'
import { connect } from '../network/rpc/connect.ts'
import type { Peer } from '../network/rpc/contract.ts'
import { SocketTransport } from '../network/transport/socket.ts'
import type { ManagerStatusReply, ServerStatusReply } from '../network/wire/operations.ts'
import type { MemberStatus } from '../network/wire/view.ts'
import { describeError, Failure } from './failure.ts'
import { managerAddresses } from './options.ts'
import type { StatusOptions } from './status.ts'
import { type Column, formatTable } from './table.ts'

export interface ServerState {
  readonly member: MemberStatus
  /** null when it does not answer. */
  readonly status: ServerStatusReply | null
}

export async function runStatus(options: StatusOptions): Promise<void> {
  const managers = await managerAddresses(options)
  const manager = await ask(managers, '', peer => peer.call('managerStatus', {}))
  const { members, cluster } = manager.body
  const servers = await Promise.all(
    members
      .filter(({ role }) => role === 'server')
      .toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
      .map(member => stateOf(member, cluster)),
  )
  if (options.json === true) {
    console.log(JSON.stringify({ managers, ...manager.body, servers }, null, 2))
  } else {
    console.log(describe(manager.body, servers))
  }
}

async function stateOf(member: MemberStatus, cluster: string): Promise<ServerState> {
  if (!member.alive) return { member, status: null }
  try {
    const reply = await ask(member.addresses, cluster, peer => peer.call('serverStatus', {}))
    return { member, status: reply.body }
  } catch (error) {
    process.stderr.write(`rookery: server ${member.name}: ${describeError(error)}\n`)
    return { member, status: null }
  }
}

/** Asks the first of these addresses that answers. */
async function ask<T>(
  addresses: readonly string[],
  cluster: string,
  question: (peer: Peer) => Promise<T>,
): Promise<T> {
  const env = realEnv()
  const transports = [new SocketTransport(env)]
  const hello = { version: protocolVersion, cluster, role: 'admin', id: '' } as const
  let last: unknown = new Failure('it has no address')
  for (const address of addresses) {
    try {
      const transport = transportFor(transports, address)
      const peer = await connect({ env, transport, address, hello, service: {} })
      try {
        return await question(peer)
      } finally {
        await peer.close()
      }
    } catch (error) {
      last = error
    }
  }
  throw last
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
  const { cluster, view, members, serversWanted, page } = manager
  const clients = members.filter(({ role, alive }) => role === 'client' && alive)
  const head =
    view === null
      ? `cluster ${cluster}: waiting for servers, ${servers.length} of ${serversWanted} have joined`
      : `cluster ${cluster}: epoch ${view.epoch}, ${view.partitions.length} partitions, ${view.replicaCount} replica${view.replicaCount === 1 ? '' : 's'}`
  const lines = [head, '', formatTable(columns, servers.map(row)), '']
  const homeless = view?.partitions.filter(({ primary }) => primary === null).length ?? 0
  if (homeless > 0) lines.push(`${homeless} partitions have no server that is up`)
  lines.push(`clients: ${clients.map(({ name }) => name).join(', ') || 'none'}`)
  if (page !== null) lines.push(`page: ${page}`)
  return lines.join('\n')
}

function row({ member, status }: ServerState): string[] {
  const report = status?.report ?? member.report
  const disk = (kind: 'meta' | 'data'): string => {
    const found = report?.disks.find(candidate => candidate.kind === kind)
    if (found === undefined) return '-'
    const free = `${formatBytes(found.freeBytes)} free`
    return found.state === 'ok' ? free : `${found.state}, ${free}`
  }
  return [
    member.name,
    stateName(member, status),
    status === null ? '-' : String(status.partitions.length),
    status === null ? '-' : String(sum(status.partitions.map(({ inodes }) => inodes))),
    status === null ? '-' : String(sum(status.partitions.map(({ blocks }) => blocks))),
    status === null ? '-' : formatBytes(sum(status.partitions.map(({ blockBytes }) => blockBytes))),
    disk('meta'),
    disk('data'),
    member.addresses.join(' ') || '-',
  ]
}

function stateName(member: MemberStatus, status: ServerStatusReply | null): string {
  if (!member.alive) return `down for ${Math.round(member.silentMs / 1000)} s`
  return status === null ? 'does not answer' : 'up'
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
