/** How this machine comes into a cluster: with a token, or by an administrator of its own home. */
import { verifyCertificate } from '../network/admission/certificate.ts'
import { MemberCredentials } from '../network/admission/credentials.ts'
import {
  type KeptCredentials,
  keepAdmission,
  keyIn,
  readCredentials,
} from '../network/admission/kept.ts'
import { addressesOf, decodeToken, type Token } from '../network/admission/token.ts'
import type { Env } from '../network/env/env.ts'
import { ClusterError } from '../network/errors.ts'
import { protocolVersion } from '../network/limits.ts'
import { transportFor } from '../network/membership/transport-for.ts'
import { connect } from '../network/rpc/connect.ts'
import type { Peer } from '../network/rpc/contract.ts'
import { transportsOf } from '../network/transport/transports.ts'
import type { AdmitReply } from '../network/wire/operations.ts'
import { codeOf, describeError, Failure } from './failure.ts'
import { findManagers } from './find-managers.ts'

export interface AdmitInit {
  readonly env: Env
  readonly token: Token
  /** Where the key and what the cluster gives for it are kept. */
  readonly directory: string
  /** For people. */
  readonly name: string
  /** Says what takes a while. */
  readonly say: (line: string) => void
}

/** @throws Failure that says what is wrong with the text. */
export function readToken(text: string): Token {
  try {
    return decodeToken(text)
  } catch (error) {
    throw new Failure(describeError(error), { cause: error, usage: true })
  }
}

/**
 * Gets this machine into the cluster of the token, or finds that it is in it already: then the token is not spent. One that
 * was removed meanwhile is let in anew, with the key that it has.
 * @throws Failure that says why not.
 */
export async function admit(init: AdmitInit): Promise<KeptCredentials> {
  const { token, directory } = init
  const before = await readCredentials(directory)
  if (before !== null) {
    checkBefore(before, token)
    if (!(await wasRemoved(init, before))) return before
  }
  const identity = await keyIn(directory)
  const { cluster, authority } = token
  const stranger = { identity, certificate: null, cluster, authority, secret: null }
  const reply = await ask(init, new MemberCredentials(stranger))
  const certificate = verifyCertificate(reply.certificate, { authority, cluster })
  if (certificate.peerId !== identity.peerId || certificate.role !== token.role) {
    throw new Failure('the manager sent a certificate for somebody else')
  }
  const managers = reply.managers.length > 0 ? reply.managers : addressesOf(token)
  await keepAdmission(directory, { cluster, authority, ...reply, managers })
  const kept = await readCredentials(directory)
  if (kept === null) throw new Failure(`what the cluster gave is not in ${directory} any more`)
  return kept
}

/** Where no manager answers, that is for whoever needs one to say. */
async function wasRemoved({ env, token }: AdmitInit, kept: KeptCredentials): Promise<boolean> {
  for (const address of new Set([...kept.managers, ...addressesOf(token)])) {
    try {
      const peer = await dialManager(env, kept, address)
      await peer.close()
      return false
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      if (error.code === 'REMOVED') return true
    }
  }
  return false
}

function checkBefore(before: KeptCredentials, token: Token): void {
  const { directory, role, credentials } = before
  if (credentials.cluster !== token.cluster) {
    throw new Failure(
      `${directory} belongs to cluster ${credentials.cluster}, the token to ${token.cluster}: give another directory`,
    )
  }
  if (role !== token.role) {
    throw new Failure(`${directory} is a ${role}'s, the token is for a ${token.role}`)
  }
}

/** Managers of the token first; then, where none answers, those in the network. */
async function ask(init: AdmitInit, credentials: MemberCredentials): Promise<AdmitReply> {
  const { env, token, say } = init
  const known = addressesOf(token)
  let reason: unknown = new Failure('the token names no address')
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (attempt > 0) await env.timers.sleep(retryDelayMs)
    const answer = await askEach(init, credentials, known)
    if (!(answer instanceof Error)) return answer
    reason = known.length > 0 ? answer : reason
    if (codeOf(answer) !== 'NOT_LEADER') break
  }
  say('no manager answers at the addresses of the token: looking for one in the network')
  const found = await findManagers(env, token.cluster)
  for (const address of found) say(`found a manager at ${address}`)
  const answer = await askEach(init, credentials, found)
  if (!(answer instanceof Error)) return answer
  const where = known.join(', ') || 'no address'
  throw new Failure(
    `no manager of the cluster answers (${where}), nor one in this network: ${describeError(found.length > 0 ? answer : reason)}`,
    { cause: reason },
  )
}

/** Managers that are choosing a leader get so long. */
const attempts = 10
const retryDelayMs = 1_000

/** @returns the last failure when nobody could be asked. @throws Failure when one refused. */
async function askEach(
  init: AdmitInit,
  credentials: MemberCredentials,
  addresses: readonly string[],
): Promise<AdmitReply | Error> {
  let last: Error = new Failure('nobody to ask')
  for (const address of addresses) {
    try {
      return await askOne(init, credentials, address)
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      if (error.code === 'BAD_TOKEN') {
        const text = `the token was refused: ${describeError(error)}`
        throw new Failure(`${text}: ask for a new one ('rookery token create')`, { cause: error })
      }
      last = error
    }
  }
  return last
}

async function askOne(
  { env, token, name }: AdmitInit,
  credentials: MemberCredentials,
  address: string,
): Promise<AdmitReply> {
  const { secret, role } = token
  const peer = await dialManager(env, { credentials, role }, address)
  try {
    return (await peer.call('admit', { token: secret, role, name })).body
  } finally {
    await peer.close()
  }
}

/** A token's secret is for managers to hear, and for no other member, whoever answers in the network. */
function dialManager(
  env: Env,
  { credentials, role }: Pick<KeptCredentials, 'credentials' | 'role'>,
  address: string,
): Promise<Peer> {
  const transport = transportFor(transportsOf(env, credentials.identity), address)
  const hello = { version: protocolVersion, cluster: credentials.cluster, role, id: '' }
  const expected = { role: 'manager' } as const
  return connect({ env, transport, credentials, address, hello, expected, service: {} })
}
