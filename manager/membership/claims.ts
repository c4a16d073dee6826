/** What a member may say of itself: checked, because it comes from the wire. */
import { z } from 'zod'
import { ClusterError } from '../../network/errors.ts'
import {
  maxCopiesReported,
  maxDisksReported,
  maxMemberAddresses,
  maxMemberTextBytes,
  maxPathBytes,
} from '../../network/limits.ts'
import type { JoinRequest } from '../../network/wire/operations.ts'
import type { Member, MemberReport } from '../../network/wire/view.ts'

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
