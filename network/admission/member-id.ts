/**
 * Ids of members, made of their peer ids, so that whoever has proven a key cannot claim somebody else's id. They stay
 * 32 hexadecimal digits, as records on disk have them.
 */
import { createHash } from 'node:crypto'
import type { Random } from '../env/env.ts'
import type { MemberId } from '../wire/view.ts'

const idDigits = 32
/** A machine may have several mounts: the rest of a client's id is chance. */
const clientPrefixDigits = 16
const form = /^[0-9a-f]{32}$/

/** One server per key. */
export function serverIdOf(peerId: string): MemberId {
  return digestOf(peerId).slice(0, idDigits)
}

/** A new id for one more client with this key. */
export function newClientId(peerId: string, random: Random): MemberId {
  const rest = random.id().slice(clientPrefixDigits)
  return digestOf(peerId).slice(0, clientPrefixDigits) + rest
}

/** Whether a server or client with this key may be called so. */
export function fitsPeer(id: MemberId, role: 'server' | 'client', peerId: string): boolean {
  if (role === 'server') return id === serverIdOf(peerId)
  return form.test(id) && id.startsWith(digestOf(peerId).slice(0, clientPrefixDigits))
}

/** @returns what tells the peer that a member's id was made of; null of one that is none of these. */
export function peersByMember(peerIds: Iterable<string>): (id: MemberId) => string | null {
  const known = new Map<string, string>()
  for (const peerId of peerIds) known.set(digestOf(peerId).slice(0, clientPrefixDigits), peerId)
  return id => known.get(id.slice(0, clientPrefixDigits)) ?? null
}

function digestOf(peerId: string): string {
  return createHash('sha256').update(peerId).digest('hex')
}
