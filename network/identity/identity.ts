/** Who a member is: an Ed25519 key that never leaves its machine, and the peer id that is made of its public half. */
import { randomUUID } from 'node:crypto'
import { link, open, readFile, rm, stat } from 'node:fs/promises'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { ClusterError } from '../errors.ts'

export interface Identity {
  /** As libp2p writes it: base58 of the multihash of the public key, "12D3KooW…". */
  readonly peerId: string
  readonly privateKey: Ed25519PrivateKey
}

const firstWord = 'rookery-key-1'

export async function makeIdentity(): Promise<Identity> {
  return identityOf(await generateKeyPair('Ed25519'))
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
  try {
    const privateKey = privateKeyFromProtobuf(Buffer.from(key, 'base64'))
    if (privateKey.type === 'Ed25519') return identityOf(privateKey)
  } catch (cause) {
    throw noKey(path, cause)
  }
  throw noKey(path)
}

/** Appears whole or not at all; of two that are made at once, the first stays. */
async function createFile(path: string): Promise<void> {
  const { privateKey } = await makeIdentity()
  const key = Buffer.from(privateKeyToProtobuf(privateKey)).toString('base64')
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

function identityOf(privateKey: Ed25519PrivateKey): Identity {
  return { peerId: peerIdFromPrivateKey(privateKey).toString(), privateKey }
}

function noKey(path: string, cause?: unknown): ClusterError {
  return new ClusterError(
    'MALFORMED',
    `${path} holds no key of a member: put it back from a copy, or remove it to join as somebody new`,
    { cause },
  )
}
