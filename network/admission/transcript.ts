/** What both sides of a handshake sign: everything that was said, in one form, and what ties it to this connection. */
import { createHash, createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { HelloRequest } from '../wire/operations.ts'
import { isSignedBy, signatureBytes, signWith } from './ed25519.ts'

/** What each side shows of itself. */
export interface Introduction {
  /** Fresh for each connection, so that no proof can be used twice. */
  readonly nonce: Uint8Array
  /** null from one who is not admitted yet. */
  readonly certificate: Uint8Array | null
}

export const nonceBytes = 16
const macBytes = 32
export const proofBytes = signatureBytes + macBytes

export type Side = 'dialler' | 'listener'

export interface Said {
  readonly hello: HelloRequest
  readonly introduction: Introduction
}

export interface Transcript extends Readonly<Record<Side, Said>> {
  /** Of the channel; see transport/contract.ts. */
  readonly binding: Uint8Array
}

const empty = new Uint8Array(0)

/** @returns the bytes that the side signs. Each part is told with its length, so that none can run into the next. */
function wordsOf(transcript: Transcript, side: Side): Uint8Array {
  const hash = createHash('sha256')
  const add = (part: Uint8Array | string) => {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.byteLength)
    hash.update(length).update(bytes)
  }
  for (const { hello, introduction } of [transcript.dialler, transcript.listener]) {
    for (const word of [String(hello.version), hello.cluster, hello.role, hello.id]) add(word)
    add(introduction.nonce)
    add(introduction.certificate ?? empty)
  }
  add(transcript.binding)
  return Buffer.concat([Buffer.from(`rookery handshake 1 ${side}\0`), hash.digest()])
}

/** That the side has the key of its certificate and knows the cluster's secret: a signature, and a MAC. */
export function proofOf(
  transcript: Transcript,
  side: Side,
  { key, secret }: { readonly key: KeyObject; readonly secret: Uint8Array },
): Uint8Array {
  const words = wordsOf(transcript, side)
  return new Uint8Array(Buffer.concat([signWith(key, words), macOf(words, secret)]))
}

export function isProof(
  proof: Uint8Array,
  transcript: Transcript,
  side: Side,
  { publicKey, secret }: { readonly publicKey: Uint8Array; readonly secret: Uint8Array },
): boolean {
  if (proof.byteLength !== proofBytes) return false
  const words = wordsOf(transcript, side)
  if (!timingSafeEqual(proof.subarray(signatureBytes), macOf(words, secret))) return false
  return isSignedBy(publicKey, words, proof.subarray(0, signatureBytes))
}

function macOf(words: Uint8Array, secret: Uint8Array): Uint8Array {
  return createHmac('sha256', secret).update(words).digest()
}
