/** What is said to a manager about admission: checked, because it comes from the wire. */
import { z } from 'zod'
import { type AdmissionRole, admissionRoles } from '../../network/admission/contract.ts'
import { tokenSecretBytes } from '../../network/admission/token.ts'
import { ClusterError } from '../../network/errors.ts'
import { publicKeyOf } from '../../network/identity/peer-id.ts'
import { maxMemberTextBytes, maxTokenLifeMs, maxTokenUses } from '../../network/limits.ts'
import type { Arrival } from './state.ts'

const name = z
  .string()
  .refine(value => Buffer.byteLength(value) <= maxMemberTextBytes, 'is too long')
/** Managers have the authority's key already: nobody is let in as one. */
const role = z.enum(admissionRoles).exclude(['manager'])
const arrival = z.object({ peerId: z.string(), role, name })
const wish = z.object({
  role,
  uses: z.int().min(1).max(maxTokenUses),
  lifeMs: z.int().min(1).max(maxTokenLifeMs),
})
const secret = z.object({
  token: z.instanceof(Uint8Array).refine(bytes => bytes.byteLength === tokenSecretBytes),
})
const id = z.object({ id: z.string().max(64) })

/** @throws ClusterError MALFORMED with every field that is wrong. */
export function arrivalFrom(body: unknown): Arrival {
  const found = checked(arrival, body, 'this cannot be let in')
  publicKeyOf(found.peerId)
  return found
}

export interface TokenWish {
  readonly role: AdmissionRole
  readonly uses: number
  readonly lifeMs: number
}

/** @throws ClusterError MALFORMED. */
export function tokenWishFrom(body: unknown): TokenWish {
  return checked(wish, body, 'there can be no such token')
}

/** @throws ClusterError MALFORMED. */
export function tokenSecretFrom(body: unknown): Uint8Array {
  return checked(secret, body, 'this is no token').token
}

/** @throws ClusterError MALFORMED. */
export function tokenIdFrom(body: unknown): string {
  return checked(id, body, 'this is no id of a token').id
}

/** @throws ClusterError MALFORMED. */
export function peerIdFrom(body: unknown): string {
  return checked(z.object({ peerId: z.string().max(maxMemberTextBytes) }), body, 'this is no key')
    .peerId
}

function checked<T>(schema: z.ZodType<T>, body: unknown, otherwise: string): T {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  throw new ClusterError('MALFORMED', `${otherwise}: ${z.prettifyError(result.error)}`)
}
