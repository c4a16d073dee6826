/**
 * One side of a handshake: what it shows and proves, and what it makes of the other. The dialler's hello carries a nonce
 * and its certificate; the listener's answer its own, and its proof; then the dialler sends its proof.
 *
 * 1. `proven` and `peerId` mean something once `check` has returned.
 * 2. Where the channel itself has proven the other's key, the certificate has to be of that key, and no more is asked.
 * 3. Who has no certificate yet gets through only on such a channel, and only to a manager.
 * 4. That it was removed a dialler is told by a listener that has proven its key, and by nobody else: it goes by that for good.
 */
import type { Random } from '../env/env.ts'
import type { Channel } from '../transport/contract.ts'
import type { HelloRequest } from '../wire/operations.ts'
import { type VerifiedCertificate, verifyCertificate } from './certificate.ts'
import type { Certificate, Credentials } from './contract.ts'
import { privateKeyOf } from './ed25519.ts'
import { fitsPeer } from './member-id.ts'
import { Refusal } from './refusal.ts'
import {
  type Introduction,
  isProof,
  nonceBytes,
  proofOf,
  type Said,
  type Side,
  type Transcript,
} from './transcript.ts'

export interface HandshakeInit {
  readonly credentials: Credentials
  readonly channel: Channel
  readonly random: Random
  readonly side: Side
  readonly hello: HelloRequest
}

const noProof = new Uint8Array(0)

export class Handshake {
  readonly introduction: Introduction
  readonly #init: HandshakeInit
  #other: Said | undefined
  #certificate: VerifiedCertificate | null = null

  constructor(init: HandshakeInit) {
    this.#init = init
    this.introduction = {
      nonce: init.random.bytes(nonceBytes),
      certificate: init.credentials.certificate,
    }
  }

  /** As it was verified; null of one who is not admitted yet. */
  get proven(): Certificate | null {
    return this.#certificate
  }

  get peerId(): string | null {
    return this.#certificate?.peerId ?? this.#init.channel.peerId
  }

  /**
   * Takes what the other side says of itself, as far as that can be judged without its proof.
   * @throws Refusal
   */
  meet(hello: HelloRequest, introduction: unknown): void {
    const said = { hello, introduction: readIntroduction(introduction) }
    const { credentials, channel, hello: own } = this.#init
    const { nonce, certificate } = said.introduction
    if (Buffer.compare(nonce, this.introduction.nonce) === 0) {
      throw new Refusal('replayed', 'our own hello has come back')
    }
    if (certificate !== null) {
      this.#certificate = verifyCertificate(certificate, credentials)
      this.#assertFits(this.#certificate, hello)
    } else if (channel.peerId === null || own.role !== 'manager') {
      throw new Refusal(
        'no_proof',
        `a ${hello.role} without a certificate: join with a token first`,
      )
    }
    this.#other = said
  }

  /** Empty where the channel proves the key. */
  proof(): Uint8Array {
    const { credentials, channel, side } = this.#init
    if (channel.peerId !== null) return noProof
    const { identity, secret } = credentials
    if (secret === null) throw new Refusal('no_proof', 'not admitted yet: join with a token first')
    return proofOf(this.#transcript(), side, { key: privateKeyOf(identity), secret })
  }

  /** @throws Refusal bad_signature or removed */
  check(proof: Uint8Array): void {
    this.#checkKey(proof)
    const { credentials, side } = this.#init
    const certificate = this.#certificate
    if (certificate === null || !credentials.isRemoved(certificate)) return
    const text = `${certificate.peerId} was removed from the cluster`
    if (side === 'dialler') throw new Refusal('removed', text)
    throw new Refusal('removed', `${text}: join with a new token`, { code: 'REMOVED' })
  }

  #checkKey(proof: Uint8Array): void {
    const { credentials, channel, side } = this.#init
    if (channel.peerId !== null) return
    const { secret } = credentials
    const publicKey = this.#certificate?.publicKey
    if (secret === null || publicKey === undefined)
      throw new Refusal('no_proof', 'nothing to check by')
    const other = side === 'dialler' ? 'listener' : 'dialler'
    if (!isProof(proof, this.#transcript(), other, { publicKey, secret })) {
      throw new Refusal('bad_signature', 'the proof does not fit the certificate and the cluster')
    }
  }

  #assertFits(certificate: VerifiedCertificate, { role, id }: HelloRequest): void {
    const { channel } = this.#init
    const { peerId } = certificate
    if (channel.peerId !== null && channel.peerId !== peerId) {
      throw new Refusal('bad_signature', `a certificate of ${peerId}, shown by ${channel.peerId}`)
    }
    const mayBe = role === certificate.role || (certificate.role === 'admin' && role === 'client')
    if (!mayBe) throw new Refusal('wrong_role', `a ${certificate.role} that claims to be a ${role}`)
    if (id === '' || (role !== 'server' && role !== 'client')) return
    if (!fitsPeer(id, role, peerId)) {
      throw new Refusal('wrong_role', `${peerId} claims to be ${role} ${id}, which it is not`)
    }
  }

  #transcript(): Transcript {
    const { side, hello, channel } = this.#init
    const own = { hello, introduction: this.introduction }
    const other = this.#other
    if (other === undefined) throw new Refusal('no_proof', 'the other side has not said hello')
    const { binding } = channel
    return side === 'dialler'
      ? { dialler: own, listener: other, binding }
      : { dialler: other, listener: own, binding }
  }
}

/** @throws Refusal no_proof when there is none, malformed */
export function readIntroduction(value: unknown): Introduction {
  if (typeof value !== 'object' || value === null || !('nonce' in value)) {
    throw new Refusal('no_proof', 'the hello comes without a proof: this cluster asks for one')
  }
  const { nonce } = value
  const certificate = 'certificate' in value ? value.certificate : null
  const isWhole = nonce instanceof Uint8Array && nonce.byteLength === nonceBytes
  if (!isWhole || !(certificate === null || certificate instanceof Uint8Array)) {
    throw new Refusal('malformed', 'the hello comes with nonsense for a proof')
  }
  return { nonce, certificate }
}
