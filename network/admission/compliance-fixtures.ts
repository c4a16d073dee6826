/** A small cluster of keys, and rpc between members of it, for the suite of proofs. */
import { randomBytes } from 'node:crypto'
import { realEnv } from '../env/real.ts'
import { type ClusterCode, ClusterError } from '../errors.ts'
import { type Identity, makeIdentity } from '../identity/identity.ts'
import { protocolVersion } from '../limits.ts'
import { connect } from '../rpc/connect.ts'
import type { Peer, Service } from '../rpc/contract.ts'
import type { Expected } from '../rpc/hello.ts'
import { type Serving, serve } from '../rpc/serve.ts'
import { RpcTally } from '../rpc/tally.ts'
import type { Connection, FrameHeader, Transport } from '../transport/contract.ts'
import type { HelloRequest } from '../wire/operations.ts'
import { Authority } from './authority.ts'
import { issueCertificate } from './certificate.ts'
import type { AdmissionRole, Credentials } from './contract.ts'
import { MemberCredentials, secretBytes } from './credentials.ts'
import { newClientId, serverIdOf } from './member-id.ts'
import { type RefusalReason, refusalReasons } from './refusal.ts'

export const env = realEnv()

/** Makes the transport of the machine that has this key, and addresses for it to listen on. */
export interface ProvingTransport {
  readonly name: string
  /** Whether it proves keys itself, as libp2p does. */
  readonly provesKeys: boolean
  make(identity: Identity): Transport
  address(): string
}

export class TestCluster {
  readonly id: string
  readonly authority = Authority.make()
  readonly secret = new Uint8Array(randomBytes(secretBytes))
  #serial = 0

  constructor(id = env.random.id()) {
    this.id = id
  }

  async member(role: AdmissionRole, change: Partial<Credentials> = {}): Promise<TestMember> {
    const identity = change.identity ?? (await makeIdentity())
    const { peerId } = identity
    const fields = { cluster: this.id, peerId, role, serial: ++this.#serial, issuedS: 1 }
    const credentials = new MemberCredentials({
      identity,
      certificate: issueCertificate(this.authority, fields),
      cluster: this.id,
      authority: this.authority.publicKey,
      secret: this.secret,
      ...change,
    })
    return { role, credentials, peerId, serial: fields.serial }
  }
}

export interface TestMember {
  readonly role: AdmissionRole
  readonly credentials: MemberCredentials
  readonly peerId: string
  readonly serial: number
}

export function helloOf({ role, credentials }: TestMember): HelloRequest {
  const { cluster, identity } = credentials
  const id =
    role === 'server' ? serverIdOf(identity.peerId) : newClientId(identity.peerId, env.random)
  return { version: protocolVersion, cluster, role, id }
}

/** What a member that listens has seen. */
export class TestListener {
  readonly serving: Serving
  readonly tally: RpcTally
  readonly logged: string[]

  private constructor(serving: Serving, tally: RpcTally, logged: string[]) {
    this.serving = serving
    this.tally = tally
    this.logged = logged
  }

  static async start(
    over: ProvingTransport,
    member: TestMember,
    { isOpen = false }: { readonly isOpen?: boolean } = {},
  ): Promise<TestListener> {
    const tally = new RpcTally(env)
    const logged: string[] = []
    const serving = await serve({
      env,
      transport: over.make(member.credentials.identity),
      address: over.address(),
      hello: helloOf(member),
      credentials: isOpen ? undefined : member.credentials,
      service,
      tally,
      log: (message, error) => logged.push(`${message}: ${String(error)}`),
    })
    return new TestListener(serving, tally, logged)
  }

  /** Those that were refused, by reason. */
  get refused(): Partial<Record<RefusalReason, number>> {
    const counts = refusalReasons.map(reason => [reason, this.tally.refused.of(reason)] as const)
    return Object.fromEntries(counts.filter(([, count]) => count > 0))
  }

  close(): Promise<void> {
    return this.serving.close()
  }
}

const noPayload: readonly Uint8Array[] = []

/** One operation for clients, one for servers, and one of a manager's for strangers' sake. */
const service: Service = {
  statfs: () => ({
    body: {
      disk: 'd',
      usedBytes: 0,
      freeBytes: 1,
      ownFreeBytes: 0,
      files: 1,
      metaDisk: 'm',
      freeFiles: 1,
    },
    payload: noPayload,
  }),
  outcome: () => ({ body: { outcome: 'undecided' }, payload: noPayload }),
  viewChanged: () => ({ body: {}, payload: noPayload }),
}

export interface DialOptions {
  readonly hello?: HelloRequest
  readonly expected?: Expected
  readonly isOpen?: boolean
  readonly wrap?: (transport: Transport) => Transport
}

export function dial(
  over: ProvingTransport,
  { serving }: Pick<TestListener, 'serving'>,
  member: TestMember,
  { hello = helloOf(member), expected, isOpen = false, wrap = same => same }: DialOptions = {},
): Promise<Peer> {
  const { credentials } = member
  return connect({
    env,
    transport: wrap(over.make(credentials.identity)),
    address: serving.address,
    hello,
    expected,
    credentials: isOpen ? undefined : credentials,
    service: {},
    log: () => undefined,
  })
}

/** The code that a promise fails with; 'none' when it does not. */
export async function failure(work: Promise<unknown>): Promise<ClusterCode | 'none'> {
  try {
    await work
    return 'none'
  } catch (error) {
    if (error instanceof ClusterError) return error.code
    throw error
  }
}

export interface SentFrame {
  readonly header: FrameHeader
  readonly body: Uint8Array
}

/** A transport that keeps what is sent on the connections that it dials. */
export function recording(transport: Transport, sent: SentFrame[]): Transport {
  return {
    schemes: transport.schemes,
    listen: transport.listen.bind(transport),
    async dial(address, signal) {
      const connection = await transport.dial(address, signal)
      return new Proxy(connection, {
        get(target, name: keyof Connection) {
          if (name !== 'send') {
            const value: unknown = target[name]
            return typeof value === 'function' ? value.bind(target) : value
          }
          return (header: FrameHeader, body: Uint8Array) => {
            sent.push({ header, body: body.slice() })
            return target.send(header, body)
          }
        },
      })
    },
  }
}

/** Resolves when it holds, within some seconds. */
export async function eventually(holds: () => boolean): Promise<boolean> {
  const untilMs = env.clock.monotonicMs() + 20_000
  while (!holds()) {
    if (env.clock.monotonicMs() > untilMs) return false
    await env.timers.sleep(5)
  }
  return true
}
