/** Who a member is: an Ed25519 key that never leaves its machine, and the peer id that is made of its public half. */
import { createPrivateKey, createPublicKey, randomBytes, randomUUID } from 'node:crypto'
import { link, open, readFile, rm, stat } from 'node:fs/promises'
import { ClusterError } from '../errors.ts'
import { peerIdOf, publicKeyBytes } from './peer-id.ts'

export interface Identity {
  /** As libp2p writes it: base58 of the multihash of the public key, "12D3KooW…". */
  readonly peerId: string
  readonly privateKey: Ed25519Key
}

/** In the form that libp2p has it, and without it: loading that takes a process longer than to start. */
export interface Ed25519Key {
  /** Seed and public key (RFC 8032), 64 bytes. */
  readonly raw: Uint8Array
  readonly publicKey: { readonly raw: Uint8Array }
}

export const seedBytes = 32
/** What stands before a seed in its PKCS #8 (RFC 8410). */
const privatePrefix = Buffer.from('302e020100300506032b657004220420', 'hex')

const firstWord = 'rookery-key-1'
/** In the file the raw key is in libp2p's protobuf: type Ed25519, 64 bytes. */
const protobufPrefix = Uint8Array.of(0x08, 0x01, 0x12, seedBytes + publicKeyBytes)

export async function makeIdentity(): Promise<Identity> {
  return identityFrom(randomBytes(seedBytes))
}

/** @param seed 32 bytes. */
export function identityFrom(seed: Uint8Array): Identity {
  const der = Buffer.concat([privatePrefix, seed])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const publicKey = Uint8Array.from(spki.subarray(-publicKeyBytes))
  const raw = Uint8Array.from([...seed, ...publicKey])
  return { peerId: peerIdOf(publicKey), privateKey: { raw, publicKey: { raw: publicKey } } }
}

/**
 * The identity kept in a file, made on first use. The file is for its owner only (mode 0600).
 * @throws ClusterError MALFORMED when the file is something else, or others may read it; system errors.
 */
export async function loadIdentity(path: string): Promise<Identity> {
  const status = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (status === null) await createFile(path)
  else if ((status.mode & 0o077) !== 0) {
    throw new ClusterError('MALFORMED', `others may read the key in ${path}: chmod 600 it`)
  }
  return readKey(path, await readFile(path, 'utf8'))
}

function readKey(path: string, text: string): Identity {
  const [word, key, ...rest] = text.trim().split(' ')
  if (word !== firstWord || key === undefined || rest.length > 0) throw noKey(path)
  const bytes = Buffer.from(key, 'base64')
  const seed = bytes.subarray(protobufPrefix.byteLength, protobufPrefix.byteLength + seedBytes)
  if (seed.byteLength !== seedBytes) throw noKey(path)
  const identity = identityFrom(seed)
  // The public half is there too, so that a damaged file is not taken for another key.
  if (!Buffer.concat([protobufPrefix, identity.privateKey.raw]).equals(bytes)) throw noKey(path)
  return identity
}

/** Appears whole or not at all; of two that are made at once, the first stays. */
async function createFile(path: string): Promise<void> {
  const { privateKey } = await makeIdentity()
  const key = Buffer.concat([protobufPrefix, privateKey.raw]).toString('base64')
  const draft = `${path}.${randomUUID()}.new`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(`${firstWord} ${key}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await link(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(draft, { force: true })
  }
}

function noKey(path: string): ClusterError {
  return new ClusterError(
    'MALFORMED',
    `${path} holds no key of a member: put it back from a copy, or remove it to join as somebody new`,
  )
}
