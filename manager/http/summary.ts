/** The cluster in figures, as its page, `/status.json` and the manager's metrics show it. Pure. */
import type { ManagerStatusReply } from '../../network/wire/operations.ts'
import type { DiskReport, MemberStatus, Throughput, View } from '../../network/wire/view.ts'

export interface ServerSummary {
  readonly id: string
  readonly name: string
  readonly domain: string
  readonly addresses: readonly string[]
  readonly alive: boolean
  /** Since it was last heard of. */
  readonly silentMs: number
  /** Partitions whose primary it is, though it may be down. */
  readonly partitions: number
  /** As it said last; null when it never did. */
  readonly inodes: number | null
  readonly blocks: number | null
  readonly disks: readonly DiskReport[]
  /** null while it is not known. */
  readonly throughput: Throughput | null
}

export interface ClientSummary {
  readonly id: string
  readonly name: string
  readonly alive: boolean
  readonly silentMs: number
}

export interface ClusterSummary {
  readonly cluster: string
  /** 0 until there is a view. */
  readonly epoch: number
  readonly serversWanted: number
  readonly partitions: number
  /** Partitions that nobody serves now. */
  readonly partitionsDown: number
  /** By name. */
  readonly servers: readonly ServerSummary[]
  readonly clients: readonly ClientSummary[]
}

export function summarize({
  cluster,
  view,
  members,
  serversWanted,
}: ManagerStatusReply): ClusterSummary {
  const held = partitionsHeld(view)
  const servers = members.filter(({ role }) => role === 'server')
  const alive = new Set(servers.filter(server => server.alive).map(({ id }) => id))
  const down = view?.partitions.filter(({ primary }) => primary === null || !alive.has(primary))
  return {
    cluster,
    epoch: view?.epoch ?? 0,
    serversWanted,
    partitions: view?.partitions.length ?? 0,
    partitionsDown: down?.length ?? 0,
    servers: servers.map(server => serverOf(server, held.get(server.id) ?? 0)).toSorted(byName),
    clients: members
      .filter(({ role }) => role === 'client')
      .map(({ id, name, alive, silentMs }) => ({ id, name, alive, silentMs }))
      .toSorted(byName),
  }
}

function partitionsHeld(view: View | null): ReadonlyMap<string, number> {
  const held = new Map<string, number>()
  for (const { primary } of view?.partitions ?? []) {
    if (primary !== null) held.set(primary, (held.get(primary) ?? 0) + 1)
  }
  return held
}

function serverOf(member: MemberStatus, partitions: number): ServerSummary {
  const { id, name, domain, addresses, alive, silentMs, report, throughput } = member
  return {
    ...{ id, name, domain, addresses, alive, silentMs, partitions },
    inodes: report?.inodes ?? null,
    blocks: report?.blocks ?? null,
    disks: report?.disks ?? [],
    throughput: alive ? (throughput ?? null) : null,
  }
}

const order = new Intl.Collator('en', { numeric: true })

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return order.compare(a.name, b.name)
}
