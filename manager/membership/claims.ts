/** What a member may say of itself: checked, because it comes from the wire. */
import { z } from 'zod'
import { ClusterError } from '../../network/errors.ts'
import {
  maxCopiesReported,
  maxDisksReported,
  maxMemberAddresses,
  maxMemberTextBytes,
  maxPartitionEpoch,
  maxPathBytes,
  maxViewEpoch,
} from '../../network/limits.ts'
import type { JoinRequest } from '../../network/wire/operations.ts'
import type { Member, MemberReport, View } from '../../network/wire/view.ts'
import { partitionShape, viewShape } from './view-shape.ts'

const text = z
  .string()
  .refine(value => Buffer.byteLength(value) <= maxMemberTextBytes, 'is too long')
const joinRequest = z
  .object({
    role: z.enum(['server', 'client']),
    id: z.string().regex(/^([0-9a-f]{32})?$/, 'is not 32 hexadecimal digits'),
    name: text,
    addresses: z.array(text.min(1)).max(maxMemberAddresses),
    host: text,
    domain: text,
    weight: z.number().nonnegative(),
    store: z
      .string()
      .regex(/^[0-9a-f]{32}$/, 'is not 32 hexadecimal digits')
      .exactOptional(),
    epoch: z.number().int().nonnegative().exactOptional(),
  })
  .refine(({ role, addresses }) => role === 'client' || addresses.length > 0, {
    error: 'a server has an address',
    path: ['addresses'],
  })
  .refine(({ role, weight }) => role === 'client' || weight > 0, {
    error: 'a server has a weight above 0',
    path: ['weight'],
  })

const bytes = z.number().nonnegative()
const report = z.object({
  disks: z
    .array(
      z.object({
        kind: z.enum(['meta', 'data']),
        path: z.string().max(maxPathBytes),
        totalBytes: bytes,
        freeBytes: bytes,
        usedBytes: bytes,
        state: z.enum(['ok', 'full', 'failed']),
      }),
    )
    .max(maxDisksReported),
  inodes: z.number().nonnegative(),
  blocks: z.number().nonnegative(),
  readBytes: bytes.exactOptional(),
  writtenBytes: bytes.exactOptional(),
  copies: z
    .array(
      z.object({
        partition: z.number().int().nonnegative(),
        member: text,
        doneBytes: bytes,
        totalBytes: bytes,
        held: text.exactOptional(),
      }),
    )
    .max(maxCopiesReported)
    .exactOptional(),
})

const holders = partitionShape
  .extend({ epoch: z.int().min(1).max(maxPartitionEpoch) })
  .refine(
    ({ replicas, inSync, primary }) =>
      inSync.every(id => replicas.includes(id)) && (primary === null || inSync.includes(primary)),
    'has holders without a copy',
  )
const view = viewShape
  .extend({ epoch: z.int().min(1).max(maxViewEpoch), partitions: z.array(holders) })
  .refine(({ members, partitions }) => {
    const ids = new Set(members.map(({ id }) => id))
    return partitions.every(({ replicas }) => replicas.every(id => ids.has(id)))
  }, 'has copies with servers that are no members')

/**
 * A view that a server says it has: the manager's state is to rest on it.
 * @throws ClusterError MALFORMED with what is wrong.
 */
export function toldView(said: View): View {
  const result = view.safeParse(said)
  if (result.success) return result.data
  throw new ClusterError('MALFORMED', `this is no view: ${z.prettifyError(result.error)}`)
}

/**
 * @param newId what a newcomer is called.
 * @throws ClusterError MALFORMED with every field that is wrong.
 */
export function memberFrom(request: JoinRequest, newId: () => string): Member {
  const result = joinRequest.safeParse(request)
  if (!result.success) {
    throw new ClusterError('MALFORMED', `this cannot join: ${z.prettifyError(result.error)}`)
  }
  const { store: _, epoch: _epoch, ...member } = result.data
  return { ...member, id: member.id || newId(), domain: member.domain || member.host }
}

/** @throws ClusterError MALFORMED with every field that is wrong. */
export function reportFrom(body: unknown): MemberReport | null {
  const result = report.nullable().safeParse(body)
  if (result.success) return result.data
  throw new ClusterError('MALFORMED', `this is no report: ${z.prettifyError(result.error)}`)
}
