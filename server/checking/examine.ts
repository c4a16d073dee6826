/**
 * Looks again at what seems to be a fault, inside a transaction that locks all it looks at, and repairs it in
 * the same: what was sound, or has changed since, stays as it is.
 */
import { z } from 'zod'
import { type FaultCode, faultCodes } from '../../network/checking/faults.ts'
import { ClusterError } from '../../network/errors.ts'
import { maxLinkCount, shardSlots } from '../../network/limits.ts'
import type { ExamineReply, ExamineRequest } from '../../network/wire/operations.ts'
import { directoryCount, partitionCount } from './counts.ts'
import { blocksBeyondReach, leakedBlocks, lostInode } from './data.ts'
import { danglingEntry, links, unreachable } from './names.ts'
import { orphanRecord, record, stuckTransaction } from './records.ts'
import type { Examination, Scene } from './scene.ts'

const examinations: { readonly [F in FaultCode]: Examination } = {
  'dangling-entry': danglingEntry,
  'lost-inode': lostInode,
  'link-count': links,
  nameless: links,
  parent: links,
  unreachable,
  'directory-count': directoryCount,
  'partition-count': partitionCount,
  'bad-record': record,
  'bad-entry': record,
  'bad-inode': record,
  'bad-inline-data': record,
  'stray-inline-data': record,
  'bad-xattrs': record,
  'stray-xattrs': record,
  'orphan-record': orphanRecord,
  'cut-record': record,
  'purge-record': record,
  'leaked-blocks': leakedBlocks,
  'blocks-beyond-reach': blocksBeyondReach,
  'misplaced-block': record,
  'bad-block': record,
  'bad-data': record,
  'stuck-transaction': stuckTransaction,
  'misplaced-record': record,
}

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const schema = z.object({
  ino: count,
  fault: z.enum(faultCodes as [FaultCode, ...FaultCode[]]),
  subject: count,
  key: z.instanceof(Uint8Array),
  names: z
    .array(z.object({ partition: count, directory: count, cookie: count }))
    .max(2 * maxLinkCount),
  change: count,
  remains: z.object({
    type: count,
    names: count,
    entries: count,
    generation: count,
    endBlock: count,
    lastBytes: count,
    largestBytes: count,
    inline: z.boolean(),
    holders: z.array(count).max(shardSlots),
  }),
  repair: z.boolean(),
  refuge: count,
  slot: count,
  sequence: count,
})

/** @throws ClusterError MALFORMED */
export function parseExamination(body: unknown): ExamineRequest {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new ClusterError('MALFORMED', 'no examination', { cause: parsed.error })
}

export async function examine(scene: Scene): Promise<ExamineReply> {
  return await examinations[scene.request.fault](scene)
}
