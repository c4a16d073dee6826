/**
 * The X.509 certificate that TLS asks for: self-signed, of a member's Ed25519 key (RFC 5280, RFC 8410). Nobody believes
 * it: the handshake of network/admission proves keys, on the channel that TLS makes. So it says little, and holds for ever.
 */
import { createHash } from 'node:crypto'
import { privateKeyOf, publicKeyInfoOf, signWith } from '../admission/ed25519.ts'
import type { Identity } from '../identity/identity.ts'

/** Tags of DER (X.690). */
const tag = {
  integer: 0x02,
  bitString: 0x03,
  utf8: 0x0c,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
} as const

/** Numbers of an algorithm and of an attribute, encoded. */
const ed25519Oid = Buffer.from('06032b6570', 'hex')
const commonNameOid = Buffer.from('0603550403', 'hex')

const version3 = 2
const serialBytes = 16

/** Key and certificate in PEM, as node:tls takes them. */
export interface TlsIdentity {
  readonly key: string
  readonly cert: string
}

export function tlsIdentityOf(identity: Identity): TlsIdentity {
  const key = privateKeyOf(identity)
  const algorithm = der(tag.sequence, ed25519Oid)
  const body = bodyOf(identity, algorithm)
  const signature = bitString(signWith(key, body))
  const whole = der(tag.sequence, body, algorithm, signature)
  const base64 = whole.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')
  return {
    key: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
  }
}

/** What is signed. */
function bodyOf({ peerId, privateKey }: Identity, algorithm: Uint8Array): Buffer {
  const publicKey = privateKey.publicKey.raw
  const name = nameOf(peerId)
  return der(
    tag.sequence,
    der(tag.version, der(tag.integer, Buffer.of(version3))),
    der(tag.integer, serialOf(publicKey)),
    algorithm,
    name,
    der(tag.sequence, time('20000101000000Z'), time('99991231235959Z')),
    name,
    publicKeyInfoOf(publicKey),
  )
}

/** The same for the same key; positive, and with no byte too many. */
function serialOf(publicKey: Uint8Array): Buffer {
  const serial = createHash('sha256').update(publicKey).digest().subarray(0, serialBytes)
  serial[0] = (serial[0]! & 0x3f) | 0x40
  return serial
}

function nameOf(commonName: string): Buffer {
  const attribute = der(tag.sequence, commonNameOid, der(tag.utf8, Buffer.from(commonName)))
  return der(tag.sequence, der(tag.set, attribute))
}

function time(text: string): Buffer {
  return der(tag.generalizedTime, Buffer.from(text))
}

function bitString(bytes: Uint8Array): Buffer {
  const unusedBits = 0
  return der(tag.bitString, Buffer.of(unusedBits), bytes)
}

/** One value: tag, length, content. */
function der(kind: number, ...content: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(content)
  const length = bytes.byteLength
  const short = length < 0x80
  const head = short ? [kind, length] : [kind, 0x82, length >> 8, length & 0xff]
  if (!short && length < 0x100) head.splice(1, 2, 0x81)
  return Buffer.concat([Buffer.from(head), bytes])
}
