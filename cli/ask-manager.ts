/** One question to the managers, as the administrator (or client) that this machine is. */
import { realEnv } from '../network/env/real.ts'
import { ClusterError } from '../network/errors.ts'
import { protocolVersion } from '../network/limits.ts'
import { transportFor } from '../network/membership/transport-for.ts'
import { connect } from '../network/rpc/connect.ts'
import type { Peer } from '../network/rpc/contract.ts'
import type { Expected } from '../network/rpc/hello.ts'
import { transportsOf } from '../network/transport/transports.ts'
import type { Access } from './access.ts'
import { Failure } from './failure.ts'

export type Question<T> = (peer: Peer) => Promise<T>

/** @throws ClusterError as the first that answers refuses, or as the last fails that does not answer. */
export function askManager<T>(access: Access, question: Question<T>): Promise<T> {
  return askOne(access, { role: 'manager', addresses: access.managers }, question)
}

/** Who is asked, and where it may be. */
export interface Asked extends Expected {
  readonly addresses: readonly string[]
}

/** Asks at the first of these addresses that answers. */
export async function askOne<T>(
  { credentials, role }: Pick<Access, 'credentials' | 'role'>,
  { addresses, ...expected }: Asked,
  question: Question<T>,
): Promise<T> {
  const env = realEnv()
  const transports = transportsOf(env, credentials.identity)
  const { cluster } = credentials
  const hello = { version: protocolVersion, cluster, role, id: '' }
  let last: unknown = new Failure('it has no address')
  for (const address of addresses) {
    try {
      const transport = transportFor(transports, address)
      const peer = await connect({
        env,
        transport,
        credentials,
        address,
        hello,
        expected,
        service: {},
      })
      try {
        return await question(peer)
      } finally {
        await peer.close()
      }
    } catch (error) {
      last = error
      if (error instanceof ClusterError && !passing.includes(error.code)) throw error
    }
  }
  throw last
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
