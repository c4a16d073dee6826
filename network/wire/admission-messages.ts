/** Requests and replies about admission: tokens, and who is let in by one. */
import type { AdmissionRole } from '../admission/contract.ts'

/** What somebody who is no member yet may say to a manager, and nothing else. */
export interface AdmitRequest {
  /** Secret part of the token. */
  readonly token: Uint8Array
  readonly role: AdmissionRole
  /** For people. */
  readonly name: string
}
export interface AdmitReply {
  readonly certificate: Uint8Array
  /** Of the cluster: travels over Noise only. */
  readonly secret: Uint8Array
  /** Where the managers can be dialled. */
  readonly managers: readonly string[]
}

/** From an administrator: makes a member of a key, without a token. */
export interface CertifyRequest {
  readonly peerId: string
  readonly role: AdmissionRole
  /** For people. */
  readonly name: string
}
export interface CertifyReply {
  readonly certificate: Uint8Array
}

export interface CreateTokenRequest {
  readonly role: AdmissionRole
  readonly uses: number
  readonly lifeMs: number
}
export interface CreateTokenReply {
  readonly id: string
  /** What is handed to whoever is to join; not kept by the manager. */
  readonly token: string
}

/** A token as the manager remembers it: without its secret. */
export interface TokenStatus {
  readonly id: string
  readonly role: AdmissionRole
  readonly usesLeft: number
  readonly createdS: number
  readonly expiresS: number
  readonly state: 'usable' | 'used' | 'expired' | 'revoked'
}
export interface ListTokensReply {
  readonly tokens: readonly TokenStatus[]
}
/** A key that the cluster lets in. */
export interface KeyStatus {
  readonly peerId: string
  readonly role: AdmissionRole
  readonly name: string
  readonly issuedS: number
  /** By which it came; empty where an administrator let it in. */
  readonly token: string
}
export interface ListKeysReply {
  readonly keys: readonly KeyStatus[]
}
export interface RemoveKeyRequest {
  readonly peerId: string
}

export interface RevokeTokenRequest {
  readonly id: string
}
