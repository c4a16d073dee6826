/**
 * The authority of a cluster: the key pair that signs its members' certificates. It is made with the cluster, and
 * only managers have its private half.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { ClusterError } from '../errors.ts'
import { keyBytes, signWith } from './ed25519.ts'

/** What stands before a raw private key in its PKCS #8 (RFC 8410). */
const privatePrefix = Buffer.from('302e020100300506032b657004220420', 'hex')

export class Authority {
  /** Raw, 32 bytes: what everybody may know. */
  readonly publicKey: Uint8Array
  readonly #key: KeyObject

  private constructor(key: KeyObject) {
    this.#key = key
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
    this.publicKey = new Uint8Array(spki.subarray(-keyBytes))
  }

  static make(): Authority {
    return new Authority(generateKeyPairSync('ed25519').privateKey)
  }

  /** @param seed as `seed()` gave it. @throws ClusterError MALFORMED. */
  static from(seed: Uint8Array): Authority {
    if (seed.byteLength !== keyBytes) {
      throw new ClusterError('MALFORMED', `an authority's key of ${seed.byteLength} bytes`)
    }
    const key = Buffer.concat([privatePrefix, seed])
    return new Authority(createPrivateKey({ key, format: 'der', type: 'pkcs8' }))
  }

  /** The private key, raw, 32 bytes: for the manager's state and nowhere else. */
  seed(): Uint8Array {
    const pkcs8 = this.#key.export({ format: 'der', type: 'pkcs8' })
    return new Uint8Array(pkcs8.subarray(-keyBytes))
  }

  sign(message: Uint8Array): Uint8Array {
    return signWith(this.#key, message)
  }
}
