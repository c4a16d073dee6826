/**
 * Who was let into the cluster, and by which tokens: what the manager keeps of it, and how it changes. Pure
 * functions from one state to the next.
 *
 * 1. Of a token a hash is kept, never its secret.
 * 2. A use of a token and the member that it let in are one change. Whoever was let in by a token and comes again
 *    with it gets what it was given then: the answer may have been lost.
 * 3. Serials rise and are never given twice; the first is for what whoever holds the authority's key signs for
 *    itself: managers, and the administrators on their machines.
 * 4. A key that was removed stays out until a token lets it in anew, with a higher serial.
 */
import { createHash } from 'node:crypto'
import type { AdmissionRole, RemovedMember } from '../../network/admission/contract.ts'
import type { Random } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { seedBytes } from '../../network/identity/identity.ts'
import { maxAdmitted, maxRemoved, maxTokens, tokenRememberedS } from '../../network/limits.ts'

export const authoritySerial = 1
export const secretBytes = 32

export interface TokenRecord {
  /** First digits of the hash. */
  readonly id: string
  /** SHA-256 of the secret, hexadecimal. */
  readonly hash: string
  readonly role: AdmissionRole
  readonly usesLeft: number
  /** Seconds since 1970 on the manager's clock. */
  readonly createdS: number
  readonly expiresS: number
  readonly revoked: boolean
}

export interface AdmittedMember {
  readonly peerId: string
  readonly role: AdmissionRole
  readonly serial: number
  readonly issuedS: number
  /** For people. */
  readonly name: string
  /** By which it was let in; empty where an administrator did. */
  readonly token: string
}

export interface AdmissionState {
  /** Private key of the authority (its seed), and what all members share; base64. */
  readonly authority: string
  readonly secret: string
  readonly nextSerial: number
  readonly tokens: readonly TokenRecord[]
  readonly admitted: readonly AdmittedMember[]
  readonly removed: readonly RemovedMember[]
}

export function createAdmission(random: Random): AdmissionState {
  return {
    authority: Buffer.from(random.bytes(seedBytes)).toString('base64'),
    secret: Buffer.from(random.bytes(secretBytes)).toString('base64'),
    nextSerial: authoritySerial + 1,
    tokens: [],
    admitted: [],
    removed: [],
  }
}

export function hashOf(secret: Uint8Array): string {
  return createHash('sha256').update(secret).digest('hex')
}

const idDigits = 8

export function tokenIdOf(secret: Uint8Array): string {
  return hashOf(secret).slice(0, idDigits)
}

export interface NewToken {
  readonly secret: Uint8Array
  readonly role: AdmissionRole
  readonly uses: number
  readonly lifeS: number
}

/** @throws ClusterError OVERLOADED. */
export function withToken(
  state: AdmissionState,
  { secret, role, uses, lifeS }: NewToken,
  nowS: number,
): AdmissionState {
  const remembered = state.tokens.filter(token => token.expiresS + tokenRememberedS > nowS)
  if (remembered.length >= maxTokens) {
    throw new ClusterError('OVERLOADED', `there are ${maxTokens} tokens: let some expire first`)
  }
  const token: TokenRecord = {
    id: tokenIdOf(secret),
    hash: hashOf(secret),
    role,
    usesLeft: uses,
    createdS: nowS,
    expiresS: nowS + lifeS,
    revoked: false,
  }
  return { ...state, tokens: [...remembered, token] }
}

/** @throws ClusterError BAD_TOKEN when there is none. */
export function withoutToken(state: AdmissionState, id: string): AdmissionState {
  if (!state.tokens.some(token => token.id === id)) {
    throw new ClusterError('BAD_TOKEN', `there is no token ${id}: 'rookery token list' shows them`)
  }
  const tokens = state.tokens.map(token => (token.id === id ? { ...token, revoked: true } : token))
  return { ...state, tokens }
}

export interface Arrival {
  readonly peerId: string
  readonly role: AdmissionRole
  readonly name: string
}

export interface Admitted {
  readonly state: AdmissionState
  readonly member: AdmittedMember
}

/**
 * Lets a key in for a token, or lets it have again what it got for it.
 * @throws ClusterError BAD_TOKEN that says why not; OVERLOADED.
 */
export function withArrival(
  state: AdmissionState,
  secret: Uint8Array,
  arrival: Arrival,
  nowS: number,
): Admitted {
  const hash = hashOf(secret)
  const token = state.tokens.find(candidate => candidate.hash === hash)
  if (token === undefined) throw bad('this cluster does not know the token, or no longer')
  if (token.revoked) throw bad('the token was revoked')
  if (token.expiresS <= nowS) throw bad('the token has expired')
  const { role } = token
  if (role !== arrival.role) throw bad(`the token is for a ${role}, not for a ${arrival.role}`)
  const before = state.admitted.find(({ peerId }) => peerId === arrival.peerId)
  if (before?.token === token.id) return { state, member: before }
  if (token.usesLeft === 0) throw bad('the token is used up')
  const tokens = state.tokens.map(one =>
    one === token ? { ...token, usesLeft: token.usesLeft - 1 } : one,
  )
  return withMember({ ...state, tokens }, arrival, { token: token.id, nowS })
}

/** @throws ClusterError OVERLOADED. */
export function withMember(
  state: AdmissionState,
  { peerId, role, name }: Arrival,
  { token, nowS }: { readonly token: string; readonly nowS: number },
): Admitted {
  const others = state.admitted.filter(member => member.peerId !== peerId)
  if (others.length >= maxAdmitted) {
    const text = `the cluster has ${maxAdmitted} keys already: remove members that are gone`
    throw new ClusterError('OVERLOADED', text)
  }
  const serial = state.nextSerial
  const member: AdmittedMember = { peerId, role, serial, issuedS: nowS, name, token }
  return {
    state: { ...state, nextSerial: serial + 1, admitted: [...others, member] },
    member,
  }
}

/**
 * Shuts a key out: every certificate that it ever got is worth nothing from then on.
 * @returns the same state where it is out already.
 * @throws ClusterError OVERLOADED.
 */
export function withRemoved(state: AdmissionState, peerId: string): AdmissionState {
  const before = state.removed.find(removed => removed.peerId === peerId)
  const serial = state.nextSerial - 1
  const isIn = state.admitted.some(member => member.peerId === peerId)
  if (before !== undefined && !isIn) return state
  const others = state.removed.filter(removed => removed !== before)
  if (others.length >= maxRemoved) {
    throw new ClusterError(
      'OVERLOADED',
      `${maxRemoved} keys were removed since this cluster was made, all of which it has to remember: no more can be, ` +
        'but for one that was removed before and let in again',
    )
  }
  return {
    ...state,
    admitted: state.admitted.filter(member => member.peerId !== peerId),
    removed: [...others, { peerId, serial }],
  }
}

/** As `withRemoved`, for keys of clients and people: a server has data, and goes another way. */
export function withoutKey(state: AdmissionState, peerId: string): AdmissionState {
  const key = state.admitted.find(member => member.peerId === peerId)
  if (key === undefined) {
    throw new ClusterError('MALFORMED', `no key ${peerId} was let in`)
  }
  if (key.role === 'server') {
    const text = `${key.name} is a server: 'rookery drain' it, then 'rookery member remove'`
    throw new ClusterError('IN_USE', text)
  }
  return withRemoved(state, peerId)
}

function bad(reason: string): ClusterError {
  return new ClusterError('BAD_TOKEN', reason)
}
