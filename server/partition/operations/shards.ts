/** What servers and clients ask about directories that are split. */
import { z } from 'zod'
import { ClusterError } from '../../../network/errors.ts'
import type { ShardChangedRequest } from '../../../network/wire/operations.ts'
import { readDirectory } from '../directories.ts'
import { noPayload, type Operation } from '../operation.ts'
import { findHolding } from '../shards.ts'
import { totalsOf } from '../totals.ts'

/** Where the shards of a directory are; asked of its own partition. */
export const shards: Operation<'shards'> = ({ batch }, request) => ({
  body: { shards: readDirectory(batch, request.ino).shards },
  payload: noPayload,
})

/** What the shards held here count. */
export const shardTotals: Operation<'shardTotals'> = ({ batch, facts, totals }, request) => {
  const holding = findHolding(batch, facts.partition, request.ino)
  if (holding === undefined) {
    const text = `partition ${facts.partition} holds nothing of directory ${request.ino}`
    throw new ClusterError('MISPLACED', text)
  }
  const { incarnation } = totals
  return { body: { incarnation, totals: totalsOf(holding) }, payload: noPayload }
}

const changed = z.object({
  ino: z.number(),
  partition: z.number(),
  incarnation: z.string(),
  client: z.string().nullable(),
  totals: z.object({
    change: z.number(),
    mtimeNs: z.bigint(),
    ctimeNs: z.bigint(),
    entries: z.number(),
    subdirectories: z.number(),
  }),
})

/** @throws ClusterError MALFORMED */
export function checkShardChanged(request: unknown): ShardChangedRequest {
  const parsed = changed.safeParse(request)
  if (parsed.success) return parsed.data
  throw new ClusterError('MALFORMED', 'what a shard counts', { cause: parsed.error })
}
