/** The cluster in figures, as its page, `/status.json` and the manager's metrics show it. Pure. */
import type { ManagerStatusReply } from '../../network/wire/operations.ts'
import type { DiskReport, MemberStatus, Throughput } from '../../network/wire/view.ts'

export interface ServerSummary {
  readonly id: string
  readonly name: string
  readonly domain: string
  readonly addresses: readonly string[]
  readonly alive: boolean
  /** Since it was last heard of. */
  readonly silentMs: number
  /** It is to hold nothing any more. */
  readonly drains: boolean
  readonly weight: number
  /** Partitions whose primary it is, though it may be down. */
  readonly partitions: number
  /** Partitions that it has a copy of, or is being given one. */
  readonly copies: number
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

/** A partition on its way. */
export interface MoveSummary {
  readonly partition: number
  /** Names; null when it is not known. */
  readonly from: string | null
  readonly to: string
  readonly phase: 'copying' | 'handing over'
  readonly doneBytes: number
  readonly totalBytes: number
  /** Why it does not go on; absent while nothing holds it up. */
  readonly held?: string
}

export interface ClusterSummary {
  readonly cluster: string
  /** 0 until there is a view. */
  readonly epoch: number
  readonly serversWanted: number
  readonly partitions: number
  /** Copies that each partition should have. */
  readonly replicas: number
  /** Partitions that nobody serves now. */
  readonly partitionsDown: number
  /** Partitions with fewer copies in sync than they should have. */
  readonly partitionsLacking: number
  readonly moves: readonly MoveSummary[]
  /** Partitions that are to move later. */
  readonly movesWaiting: number
  /** Why nothing is changed although servers fail; null when nothing is held up. */
  readonly frozen: string | null
  /** By name. */
  readonly servers: readonly ServerSummary[]
  readonly clients: readonly ClientSummary[]
}

export function summarize(status: ManagerStatusReply): ClusterSummary {
  const { cluster, view, members, serversWanted, movesWaiting, frozen } = status
  const servers = members.filter(({ role }) => role === 'server')
  const alive = new Set(servers.filter(server => server.alive).map(({ id }) => id))
  const down = view?.partitions.filter(({ primary }) => primary === null || !alive.has(primary))
  const replicas = view?.replicaCount ?? 1
  const lacking = view?.partitions.filter(({ inSync }) => inSync.length < replicas)
  return {
    cluster,
    epoch: view?.epoch ?? 0,
    serversWanted,
    partitions: view?.partitions.length ?? 0,
    replicas,
    partitionsDown: down?.length ?? 0,
    partitionsLacking: lacking?.length ?? 0,
    moves: movesOf(status),
    movesWaiting,
    frozen,
    servers: serversOf(servers, status).toSorted(byName),
    clients: members
      .filter(({ role }) => role === 'client')
      .map(({ id, name, alive, silentMs }) => ({ id, name, alive, silentMs }))
      .toSorted(byName),
  }
}

function movesOf({ moves, members }: ManagerStatusReply): readonly MoveSummary[] {
  const nameOf = (id: string): string => members.find(member => member.id === id)?.name ?? id
  return moves.map(({ source, target, ...move }) => ({
    ...move,
    from: source === null ? null : nameOf(source),
    to: nameOf(target),
  }))
}

function serversOf(
  servers: readonly MemberStatus[],
  { view, draining }: ManagerStatusReply,
): ServerSummary[] {
  const primaries = new Map<string, number>()
  const copies = new Map<string, number>()
  const count = (counts: Map<string, number>, id: string) => {
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  for (const { primary, replicas } of view?.partitions ?? []) {
    if (primary !== null) count(primaries, primary)
    for (const id of replicas) count(copies, id)
  }
  return servers.map(member => {
    const { id, name, domain, addresses, alive, silentMs, report, throughput, weight } = member
    return {
      ...{ id, name, domain, addresses, alive, silentMs, weight },
      drains: draining.includes(id),
      partitions: primaries.get(id) ?? 0,
      copies: copies.get(id) ?? 0,
      inodes: report?.inodes ?? null,
      blocks: report?.blocks ?? null,
      disks: report?.disks ?? [],
      throughput: alive ? (throughput ?? null) : null,
    }
  })
}

const order = new Intl.Collator('en', { numeric: true })

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return order.compare(a.name, b.name)
}
