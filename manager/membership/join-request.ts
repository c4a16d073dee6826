/** What a member may say of itself when it joins: checked, because it comes from the wire. */
import { z } from 'zod'
import { ClusterError } from '../../network/errors.ts'
import { maxMemberAddresses, maxMemberTextBytes } from '../../network/limits.ts'
import type { JoinRequest } from '../../network/wire/operations.ts'
import type { Member } from '../../network/wire/view.ts'

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
    weight: z.number().positive(),
  })
  .refine(({ role, addresses }) => role === 'client' || addresses.length > 0, {
    error: 'a server has an address',
    path: ['addresses'],
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
  const member = result.data
  return { ...member, id: member.id || newId(), domain: member.domain || member.host }
}
