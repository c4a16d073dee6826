/** What a server counts of itself, for Prometheus: asked of its rooms when somebody looks. */
import { counter, gauge, type Metric } from '../network/metrics/metric.ts'
import type { DiskReport, MemberReport } from '../network/wire/view.ts'

export interface ServerCounts {
  readonly partitions: number
  /** Clients that have a session. */
  readonly sessions: number
  /** Ranges, or whole files, that clients have locked, and those that they wait for. */
  readonly locksHeld: number
  readonly lockWaits: number
  /** Partitions with files still to be purged, and files purged since the start. */
  readonly purgeQueue: number
  readonly purged: number
  /** Transactions that are under way, or in doubt. */
  readonly transactions: number
  /** Copies of partitions that are being fed from here, that cannot be, and that are being deleted. */
  readonly copiesFed: number
  readonly copiesHeld: number
  readonly copiesDropped: number
  /** Bytes that went out of the block store and into it since the start. */
  readonly readBytes: number
  readonly writtenBytes: number
  /** Of what went in, bytes that were fetched from the memory of clients. */
  readonly fetchedBytes: number
  /** Blocks whose bytes were not what was written, since the start. */
  readonly checksumErrors: number
}

export interface Connections {
  readonly open: number
  readonly refused: number
}

export function serverMetrics(
  counts: ServerCounts,
  report: MemberReport,
  connections: Connections,
): Metric[] {
  const disks = (value: (disk: DiskReport) => number) =>
    report.disks.map(disk => ({
      labels: { disk: disk.kind, path: disk.path },
      value: value(disk),
    }))
  return [
    gauge('rookery_partitions_held', 'Partitions that this server has.', counts.partitions),
    gauge('rookery_inodes', 'Inodes in them.', report.inodes),
    gauge('rookery_blocks', 'Blocks of data in them.', report.blocks),
    gauge('rookery_sessions', 'Clients that have a session.', counts.sessions),
    gauge('rookery_locks_held', 'Ranges of files that clients have locked.', counts.locksHeld),
    gauge('rookery_locks_waiting', 'Locks that clients wait for.', counts.lockWaits),
    gauge('rookery_purge_queue', 'Partitions with files to be purged.', counts.purgeQueue),
    counter('rookery_purged_total', 'Files that were purged.', counts.purged),
    gauge('rookery_transactions', 'Transactions under way or in doubt.', counts.transactions),
    gauge('rookery_copies_fed', 'Copies of partitions being fed.', counts.copiesFed),
    gauge('rookery_copies_held', 'Copies held up by damage here.', counts.copiesHeld),
    gauge('rookery_copies_dropped', 'Copies of partitions being deleted.', counts.copiesDropped),
    counter('rookery_store_read_bytes_total', 'Bytes read from blocks.', counts.readBytes),
    counter('rookery_store_written_bytes_total', 'Bytes written to blocks.', counts.writtenBytes),
    counter(
      'rookery_fetched_bytes_total',
      'Bytes to be written that were fetched from the memory of clients.',
      counts.fetchedBytes,
    ),
    counter('rookery_checksum_errors_total', 'Blocks found damaged.', counts.checksumErrors),
    gauge(
      'rookery_disk_total_bytes',
      'Size of a disk.',
      disks(disk => disk.totalBytes),
    ),
    gauge(
      'rookery_disk_free_bytes',
      'Free on it.',
      disks(disk => disk.freeBytes),
    ),
    gauge(
      'rookery_disk_used_bytes',
      'Used on it.',
      disks(disk => disk.usedBytes),
    ),
    gauge(
      'rookery_disk_ok',
      'Whether it is neither full nor failed.',
      disks(({ state }) => Number(state === 'ok')),
    ),
    gauge('rookery_connections', 'Connections of peers.', connections.open),
    counter('rookery_refused_total', 'Connections refused.', connections.refused),
  ]
}
