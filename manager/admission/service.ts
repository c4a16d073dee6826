/** Letting members in, as they and administrators ask a manager for it. */
import { Authority } from '../../network/admission/authority.ts'
import { issueCertificate } from '../../network/admission/certificate.ts'
import { serverIdOf } from '../../network/admission/member-id.ts'
import type { RefusalTally } from '../../network/admission/refusal-tally.ts'
import {
  addressesOf,
  encodeToken,
  type ManagerPlace,
  tokenSecretBytes,
} from '../../network/admission/token.ts'
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import type { Log } from '../../network/log.ts'
import type { Incoming, Peer, Service } from '../../network/rpc/contract.ts'
import { RefusalLog } from '../../network/rpc/log.ts'
import type { AdmitReply, CreateTokenReply, TokenStatus } from '../../network/wire/operations.ts'
import type { ClusterState } from '../membership/state.ts'
import {
  arrivalFrom,
  peerIdFrom,
  type TokenWish,
  tokenIdFrom,
  tokenSecretFrom,
  tokenWishFrom,
} from './claims.ts'
import {
  type AdmissionState,
  type Admitted,
  type AdmittedMember,
  type TokenRecord,
  tokenIdOf,
  withArrival,
  withMember,
  withoutKey,
  withoutToken,
  withToken,
} from './state.ts'

/** What those who are to be let in, and administrators, may want of a manager. */
export type AdmissionOperations = Required<
  Pick<
    Service,
    'admit' | 'certify' | 'createToken' | 'listTokens' | 'revokeToken' | 'listKeys' | 'removeKey'
  >
>

export interface AdmissionInit {
  readonly env: Env
  readonly log: Log
  readonly state: () => ClusterState
  /** Saves what comes of a change, one at a time. */
  readonly change: (change: (state: ClusterState) => ClusterState) => Promise<void>
  /** All managers of the cluster. */
  readonly managers: () => Promise<readonly ManagerPlace[]>
  /** Counts those who come with a bad token, where somebody asked for it. */
  readonly refused?: RefusalTally | undefined
}

export class AdmissionDesk {
  readonly service: AdmissionOperations
  readonly #init: AdmissionInit
  readonly #refusals: RefusalLog

  constructor(init: AdmissionInit) {
    const { env, log } = init
    this.#init = init
    const warn = (message: string, error?: unknown) => log.warn({ error }, message)
    this.#refusals = new RefusalLog(env, warn, init.refused)
    this.service = {
      admit: async incoming => answer(await this.#admit(incoming)),
      certify: async ({ body }) => {
        const arrival = arrivalFrom(body)
        const member = await this.#letIn((admission, nowS) =>
          withMember(admission, arrival, { token: '', nowS }),
        )
        return answer({ certificate: this.#certificateOf(member) })
      },
      createToken: async ({ body }) => answer(await this.#createToken(tokenWishFrom(body))),
      listTokens: () => answer({ tokens: this.#tokens() }),
      revokeToken: async ({ body }) => {
        const id = tokenIdFrom(body)
        await this.#change(admission => withoutToken(admission, id))
        log.info({ token: id }, 'a token was revoked')
        return answer({})
      },
      listKeys: () =>
        answer({
          keys: this.#admission.admitted.map(({ serial: _, ...key }) => key),
        }),
      removeKey: async ({ body }) => {
        const peerId = peerIdFrom(body)
        await this.#change(admission => withoutKey(admission, peerId))
        log.info({ peerId }, 'a key was shut out')
        return answer({})
      },
    }
  }

  get #admission(): AdmissionState {
    return admissionOf(this.#init.state())
  }

  get #nowS(): number {
    return Number(this.#init.env.clock.wallNs() / 1_000_000_000n)
  }

  async #admit({ peer, body }: Incoming<'admit'>): Promise<AdmitReply> {
    try {
      const { peerId } = peer
      if (peerId === null || !isSecret(peer)) {
        throw new ClusterError('BAD_TOKEN', 'members are let in over libp2p, where nobody listens')
      }
      const secret = tokenSecretFrom(body)
      const arrival = arrivalFrom({ peerId, role: body.role, name: body.name })
      const member = await this.#letIn((admission, nowS) =>
        withArrival(admission, secret, arrival, nowS),
      )
      return {
        certificate: this.#certificateOf(member),
        secret: Buffer.from(this.#admission.secret, 'base64'),
        managers: addressesOf({ managers: await this.#init.managers() }),
      }
    } catch (error) {
      this.#refusals.add(peer.remote, error)
      // Whoever comes with a bad token has no more to say; it is told why first.
      this.#init.env.timers.soon(() => void peer.close())
      throw error
    }
  }

  async #createToken({ role, uses, lifeMs }: TokenWish): Promise<CreateTokenReply> {
    const { env, state, managers, log } = this.#init
    const secret = env.random.bytes(tokenSecretBytes)
    const lifeS = Math.ceil(lifeMs / 1000)
    await this.#change(admission => withToken(admission, { secret, role, uses, lifeS }, this.#nowS))
    const id = tokenIdOf(secret)
    log.info({ token: id, role, uses, lifeS }, 'a token was created')
    const token = encodeToken({
      cluster: state().cluster,
      authority: authorityOf(this.#admission).publicKey,
      role,
      secret,
      managers: await managers(),
    })
    return { id, token }
  }

  #tokens(): readonly TokenStatus[] {
    const nowS = this.#nowS
    return this.#admission.tokens.map(token => {
      const { id, role, usesLeft, createdS, expiresS } = token
      return { id, role, usesLeft, createdS, expiresS, state: stateOf(token, nowS) }
    })
  }

  async #letIn(
    change: (admission: AdmissionState, nowS: number) => Admitted,
  ): Promise<AdmittedMember> {
    let member: AdmittedMember | undefined
    await this.#init.change(state => {
      const before = admissionOf(state)
      const { state: admission, member: admitted } = change(before, this.#nowS)
      member = admitted
      return admission === before ? state : welcomed({ ...state, admission }, admitted)
    })
    const { peerId, role, name, serial } = member!
    this.#init.log.info({ peerId, role, name, serial }, 'a member was let in')
    return member!
  }

  #change(change: (admission: AdmissionState) => AdmissionState): Promise<void> {
    return this.#init.change(state => {
      const before = admissionOf(state)
      const after = change(before)
      return after === before ? state : { ...state, admission: after }
    })
  }

  /** Signed anew each time, with the same result: Ed25519 leaves nothing to chance. */
  #certificateOf({ peerId, role, serial, issuedS }: AdmittedMember): Uint8Array {
    const { cluster } = this.#init.state()
    const authority = authorityOf(this.#admission)
    return issueCertificate(authority, { cluster, peerId, role, serial, issuedS })
  }
}

/** A server that was removed comes back with a new certificate only. */
function welcomed(state: ClusterState, { peerId }: AdmittedMember): ClusterState {
  const id = serverIdOf(peerId)
  return state.gone.includes(id)
    ? { ...state, gone: state.gone.filter(other => other !== id) }
    : state
}

/** @throws ClusterError NOT_READY from a manager that asks nobody for a proof. */
export function admissionOf({ admission }: ClusterState): AdmissionState {
  if (admission !== null) return admission
  throw new ClusterError('NOT_READY', 'this cluster has no authority: it lets in everybody')
}

export function authorityOf({ authority }: AdmissionState): Authority {
  return Authority.from(Buffer.from(authority, 'base64'))
}

/** Where the secret of the cluster may travel: Noise, and nothing else. */
function isSecret({ remote }: Peer): boolean {
  return remote.startsWith('libp2p://')
}

function stateOf(token: TokenRecord, nowS: number): TokenStatus['state'] {
  if (token.revoked) return 'revoked'
  if (token.expiresS <= nowS) return 'expired'
  return token.usesLeft === 0 ? 'used' : 'usable'
}

function answer<T>(body: T): { readonly body: T; readonly payload: readonly Uint8Array[] } {
  return { body, payload: [] }
}
