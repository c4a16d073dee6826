/** One question to the managers, as the administrator (or client) that this machine is. */
import { setTimeout as sleep } from 'node:timers/promises'
import { realEnv } from '../network/env/real.ts'
import { ClusterError } from '../network/errors.ts'
import { maxManagerAddresses, protocolVersion } from '../network/limits.ts'
import { transportFor } from '../network/membership/transport-for.ts'
import { connect } from '../network/rpc/connect.ts'
import type { Peer } from '../network/rpc/contract.ts'
import type { Expected } from '../network/rpc/hello.ts'
import { transportsOf } from '../network/transport/transports.ts'
import type { Access } from './access.ts'
import { Failure } from './failure.ts'

export type Question<T> = (peer: Peer) => Promise<T>

/**
 * A manager that stands by sends on to the one that leads; while none does, one is waited for.
 * @throws ClusterError as the first that answers refuses, or as the last fails that does not answer.
 */
export async function askManager<T>(access: Access, question: Question<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await askLeader(access, question)
    } catch (error) {
      if (!isStandby(error) || attempt === electionAttempts) throw error
      await sleep(electionPauseMs)
    }
  }
}

/** A leader that is gone is replaced within four seconds; on a machine that is busy it may take some more. */
const electionAttempts = 20
const electionPauseMs = 500

/** @throws ClusterError NOT_LEADER when one stands by, and nobody else answers; all else is as for `askManager`. */
async function askLeader<T>(access: Access, question: Question<T>): Promise<T> {
  const places = [...access.managers]
  const tried = new Set<string>()
  let last: unknown = new Failure('it has no address')
  for (let address = places.shift(); address !== undefined; address = places.shift()) {
    if (tried.has(address)) continue
    tried.add(address)
    try {
      return await askAt(access, { role: 'manager', address }, question)
    } catch (error) {
      if (!isPassing(error)) throw error
      if (isStandby(error) || !isStandby(last)) last = error
      if (isStandby(error) && tried.size < maxManagerAddresses) places.unshift(...error.instead)
    }
  }
  throw last
}

/** Who is asked, and where it may be. */
export interface Asked extends Expected {
  readonly addresses: readonly string[]
}

/** Asks at the first of these addresses that answers. */
export async function askOne<T>(
  access: Pick<Access, 'credentials' | 'role'>,
  { addresses, ...expected }: Asked,
  question: Question<T>,
): Promise<T> {
  let last: unknown = new Failure('it has no address')
  for (const address of addresses) {
    try {
      return await askAt(access, { ...expected, address }, question)
    } catch (error) {
      if (!isPassing(error)) throw error
      last = error
    }
  }
  throw last
}

async function askAt<T>(
  { credentials, role }: Pick<Access, 'credentials' | 'role'>,
  { address, ...expected }: Expected & { readonly address: string },
  question: Question<T>,
): Promise<T> {
  const env = realEnv()
  const transport = transportFor(transportsOf(env, credentials.identity), address)
  const { cluster } = credentials
  const hello = { version: protocolVersion, cluster, role, id: '' }
  const dialled = { env, transport, credentials, address, hello, expected, service: {} }
  const peer = await connect(dialled)
  try {
    return await question(peer)
  } finally {
    await peer.close()
  }
}

function isStandby(error: unknown): error is ClusterError {
  return error instanceof ClusterError && error.code === 'NOT_LEADER'
}

function isPassing(error: unknown): boolean {
  return !(error instanceof ClusterError) || passing.includes(error.code)
}

/** With these, another manager may have a better answer. */
const passing: readonly string[] = [
  'UNREACHABLE',
  'TIMEOUT',
  'CLOSED',
  'NOT_LEADER',
  'NOT_READY',
  'MALFORMED',
]
