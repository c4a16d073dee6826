/** Peer ids as libp2p makes them of Ed25519 keys: base58 of an identity multihash of the public key, "12D3KooW…". */
import { base58btc } from 'multiformats/bases/base58'
import { ClusterError } from '../errors.ts'

/** Raw, as in RFC 8032. */
export const publicKeyBytes = 32

/** Multihash of nothing but itself, 36 bytes long, of a key in protobuf: Ed25519, 32 bytes. */
const prefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

export function peerIdOf(publicKey: Uint8Array): string {
  return base58btc.baseEncode(Buffer.concat([prefix, publicKey]))
}

/**
 * @returns the 32 bytes of the public key.
 * @throws ClusterError MALFORMED when it is no peer id of such a key.
 */
export function publicKeyOf(peerId: string): Uint8Array {
  const bytes = decode(peerId)
  if (
    bytes?.byteLength !== prefix.byteLength + publicKeyBytes ||
    !prefix.every((byte, index) => bytes[index] === byte)
  ) {
    throw new ClusterError('MALFORMED', `'${peerId.slice(0, 100)}' is no peer id of an Ed25519 key`)
  }
  return bytes.subarray(prefix.byteLength)
}

/** What is longer than any peer id is not worth the time. */
const maxPeerIdCharacters = 64

function decode(text: string): Uint8Array | null {
  if (text.length > maxPeerIdCharacters) return null
  try {
    return base58btc.baseDecode(text)
  } catch {
    return null
  }
}
