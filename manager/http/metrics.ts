/** What the manager knows of its cluster, for Prometheus: one scrape tells of all members. */
import {
  counter,
  gauge,
  type Labels,
  type Metric,
  type Sample,
} from '../../network/metrics/metric.ts'
import type { DiskReport } from '../../network/wire/view.ts'
import type { ClusterSummary, ServerSummary } from './summary.ts'

export interface Connections {
  readonly open: number
  readonly refused: number
}

export function managerMetrics(summary: ClusterSummary, connections: Connections): Metric[] {
  const { servers, clients } = summary
  const up = clients.filter(({ alive }) => alive).length
  const held = summary.moves.filter(move => move.held !== undefined).length
  return [
    gauge('rookery_view_epoch', 'Epoch of the view; 0 until there is one.', summary.epoch),
    gauge('rookery_partitions', 'Partitions of the cluster.', summary.partitions),
    gauge(
      'rookery_partitions_down',
      'Partitions that no server serves now.',
      summary.partitionsDown,
    ),
    gauge(
      'rookery_partitions_lacking',
      'Partitions with fewer copies in sync than they should have.',
      summary.partitionsLacking,
    ),
    gauge('rookery_moves', 'Partitions on their way between servers.', summary.moves.length - held),
    gauge('rookery_moves_held', 'Moves held up by damage at their source.', held),
    gauge('rookery_moves_waiting', 'Partitions that are to move later.', summary.movesWaiting),
    gauge(
      'rookery_move_left_bytes',
      'What is still to be copied of the partitions on their way.',
      summary.moves.reduce((sum, move) => sum + Math.max(0, move.totalBytes - move.doneBytes), 0),
    ),
    gauge(
      'rookery_frozen',
      'Whether nothing is changed because too many servers fail at once.',
      Number(summary.frozen !== null),
    ),
    gauge('rookery_servers_wanted', 'Servers to wait for at the start.', summary.serversWanted),
    gauge('rookery_clients', 'Clients that are up.', up),
    ...serverMetrics(servers),
    gauge('rookery_connections', 'Connections of peers.', connections.open),
    counter('rookery_refused_total', 'Connections refused.', connections.refused),
  ]
}

function serverMetrics(servers: readonly ServerSummary[]): Metric[] {
  const each = (value: (server: ServerSummary) => number | null): Sample[] =>
    servers.flatMap(server => sample(labelsOf(server), value(server)))
  const disks = (value: (disk: DiskReport) => number): Sample[] =>
    servers.flatMap(server =>
      server.disks.map((disk, index) => ({
        labels: { ...labelsOf(server), disk: disk.kind, index: String(index), path: disk.path },
        value: value(disk),
      })),
    )
  const prefix = 'rookery_server'
  return [
    gauge(
      `${prefix}_up`,
      'Whether a server is up.',
      each(({ alive }) => Number(alive)),
    ),
    gauge(
      `${prefix}_silent_seconds`,
      'Time since a server was last heard of.',
      each(({ silentMs }) => silentMs / 1000),
    ),
    gauge(
      `${prefix}_partitions`,
      'Partitions that a server is primary of.',
      each(server => server.partitions),
    ),
    gauge(
      `${prefix}_copies`,
      'Partitions that a server has a copy of, or is being given one.',
      each(server => server.copies),
    ),
    gauge(
      `${prefix}_drains`,
      'Whether a server is to hold nothing any more.',
      each(({ drains }) => Number(drains)),
    ),
    gauge(
      `${prefix}_inodes`,
      'Inodes that a server has.',
      each(({ inodes }) => inodes),
    ),
    gauge(
      `${prefix}_blocks`,
      'Blocks of data that a server has.',
      each(({ blocks }) => blocks),
    ),
    gauge(
      `${prefix}_disk_total_bytes`,
      'Size of a disk of a server.',
      disks(disk => disk.totalBytes),
    ),
    gauge(
      `${prefix}_disk_free_bytes`,
      'Free on it.',
      disks(disk => disk.freeBytes),
    ),
    gauge(
      `${prefix}_disk_used_bytes`,
      'Used on it.',
      disks(disk => disk.usedBytes),
    ),
    gauge(
      `${prefix}_disk_ok`,
      'Whether it is neither full nor failed.',
      disks(({ state }) => Number(state === 'ok')),
    ),
  ]
}

/** The id too: nothing keeps two servers from having one name. */
function labelsOf({ id, name }: ServerSummary): Labels {
  return { server: name, id }
}

function sample(labels: Labels, value: number | null): Sample[] {
  return value === null ? [] : [{ labels, value }]
}
