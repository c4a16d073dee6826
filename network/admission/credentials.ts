/**
 * The credentials of one process.
 *
 * 1. Who was removed stays so: an older view takes nobody back.
 */
import assert from 'node:assert/strict'
import type { Identity } from '../identity/identity.ts'
import type { Certificate, Credentials, RemovedMember } from './contract.ts'
import { keyBytes } from './ed25519.ts'

export interface CredentialsInit {
  readonly identity: Identity
  readonly certificate: Uint8Array | null
  readonly cluster: string
  readonly authority: Uint8Array
  readonly secret: Uint8Array | null
}

export class MemberCredentials implements Credentials {
  readonly identity: Identity
  readonly certificate: Uint8Array | null
  readonly cluster: string
  readonly authority: Uint8Array
  readonly secret: Uint8Array | null
  /** Highest serial that is worth nothing, by peer id. */
  readonly #removed = new Map<string, number>()
  readonly #listeners = new Set<() => void>()

  constructor({ identity, certificate, cluster, authority, secret }: CredentialsInit) {
    assert(authority.byteLength === keyBytes, 'an authority has a key of 32 bytes')
    assert(secret === null || secret.byteLength === secretBytes, 'a secret has 32 bytes')
    this.identity = identity
    this.certificate = certificate
    this.cluster = cluster
    this.authority = authority
    this.secret = secret
  }

  /** Takes what a view says: `removed` of it. */
  remove(members: readonly RemovedMember[]): void {
    let news = false
    for (const { peerId, serial } of members) {
      if (serial <= (this.#removed.get(peerId) ?? 0)) continue
      this.#removed.set(peerId, serial)
      news = true
    }
    if (news) for (const listener of [...this.#listeners]) listener()
  }

  isRemoved({ peerId, serial }: Certificate): boolean {
    return serial <= (this.#removed.get(peerId) ?? 0)
  }

  onRemoval(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }
}

export const secretBytes = 32
