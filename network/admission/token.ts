/**
 * A token: what a person carries to a machine that is to join. It says which cluster, how to know its managers
 * (the authority's key, their peer ids), where to find them, and has a secret that they let one in for.
 *
 * As text it is `rk1` and base58 of: version, role, cluster, authority, secret, then each manager's key, how many
 * addresses it has, and each with its length before it; at the end four bytes of SHA-256 over all that.
 */
import { createHash } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import { ClusterError } from '../errors.ts'
import { peerIdOf, publicKeyBytes, publicKeyOf } from '../identity/peer-id.ts'
import { maxTokenCharacters } from '../limits.ts'
import { type AdmissionRole, admissionRoles } from './contract.ts'

export interface ManagerPlace {
  readonly peerId: string
  /** `host:port` each, where it speaks libp2p. */
  readonly endpoints: readonly string[]
}

export interface Token {
  readonly cluster: string
  /** Public key of the authority. */
  readonly authority: Uint8Array
  readonly role: AdmissionRole
  /** `tokenSecretBytes`, of which the managers know a hash. */
  readonly secret: Uint8Array
  readonly managers: readonly ManagerPlace[]
}

export const tokenSecretBytes = 16
const firstWord = 'rk1'
const version = 1
const clusterBytes = 16
const checksumBytes = 4

export function encodeToken({ cluster, authority, role, secret, managers }: Token): string {
  const parts: Uint8Array[] = [
    Uint8Array.of(version, admissionRoles.indexOf(role)),
    Buffer.from(cluster, 'hex'),
    authority,
    secret,
  ]
  for (const { peerId, endpoints } of managers) {
    parts.push(publicKeyOf(peerId), Uint8Array.of(endpoints.length))
    for (const endpoint of endpoints) {
      const text = Buffer.from(endpoint)
      parts.push(Uint8Array.of(text.byteLength), text)
    }
  }
  const body = Buffer.concat(parts)
  return firstWord + base58btc.baseEncode(Buffer.concat([body, checksumOf(body)]))
}

/** @throws ClusterError MALFORMED that says what is wrong with the text, without repeating it: it is a secret. */
export function decodeToken(text: string): Token {
  const reader = new Reader(bodyOf(text.trim()))
  if (reader.byte() !== version) {
    throw malformed('it was made by another version of Rookery: create one with this version')
  }
  const role = admissionRoles[reader.byte()]
  if (role === undefined) throw malformed('it is for a role that this version does not know')
  const cluster = Buffer.from(reader.bytes(clusterBytes)).toString('hex')
  const authority = reader.bytes(publicKeyBytes)
  const secret = reader.bytes(tokenSecretBytes)
  const managers: ManagerPlace[] = []
  while (!reader.ended) {
    const peerId = peerIdOf(reader.bytes(publicKeyBytes))
    const endpoints: string[] = []
    for (let left = reader.byte(); left > 0; left--) {
      endpoints.push(Buffer.from(reader.bytes(reader.byte())).toString('utf8'))
    }
    managers.push({ peerId, endpoints })
  }
  return { cluster, authority, role, secret, managers }
}

/** Addresses of all managers in the token, in the form that the libp2p transport dials. */
export function addressesOf({ managers }: Pick<Token, 'managers'>): string[] {
  return managers.flatMap(({ peerId, endpoints }) =>
    endpoints.map(endpoint => `libp2p://${endpoint}/${peerId}`),
  )
}

function bodyOf(text: string): Uint8Array {
  if (!text.startsWith(firstWord)) {
    throw malformed(`one begins with ${firstWord}: copy it whole, as 'token create' printed it`)
  }
  if (text.length > maxTokenCharacters) throw malformed('it is too long')
  const bytes = decode(text.slice(firstWord.length))
  const body = bytes?.subarray(0, -checksumBytes)
  const isWhole = body !== undefined && checksumOf(body).equals(bytes!.subarray(-checksumBytes))
  if (isWhole) return body
  throw malformed("it is mistyped or cut short: copy it whole, as 'token create' printed it")
}

function decode(text: string): Uint8Array | undefined {
  try {
    return base58btc.baseDecode(text)
  } catch {
    return undefined
  }
}

function checksumOf(body: Uint8Array): Buffer {
  return createHash('sha256').update(body).digest().subarray(0, checksumBytes)
}

function malformed(why: string): ClusterError {
  return new ClusterError('MALFORMED', `this is no token: ${why}`)
}

class Reader {
  readonly #body: Uint8Array
  #offset = 0

  constructor(body: Uint8Array) {
    this.#body = body
  }

  get ended(): boolean {
    return this.#offset === this.#body.byteLength
  }

  byte(): number {
    return this.bytes(1)[0]!
  }

  bytes(count: number): Uint8Array {
    const end = this.#offset + count
    if (end > this.#body.byteLength) throw malformed('it ends early')
    const found = this.#body.subarray(this.#offset, end)
    this.#offset = end
    return found
  }
}
