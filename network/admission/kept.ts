/**
 * The credentials of a member as its directory keeps them: the key in `member.key`, and in `member.json` what the
 * cluster gave it when it was let in, and where its managers are. Both are for their owner only.
 */
import { constants } from 'node:fs'
import { open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { ClusterError } from '../errors.ts'
import { type Identity, loadIdentity } from '../identity/identity.ts'
import { maxManagerAddresses } from '../limits.ts'
import { makeDirectories } from '../membership/make-directories.ts'
import { readCertificate } from './certificate.ts'
import type { AdmissionRole } from './contract.ts'
import { MemberCredentials, secretBytes } from './credentials.ts'

export const keyFile = 'member.key'
export const admissionFile = 'member.json'
const format = 1

const base64 = z.base64()
const schema = z.object({
  format: z.literal(format),
  cluster: z.string().min(1),
  authority: base64,
  certificate: base64,
  secret: base64,
  managers: z.array(z.string()).max(maxManagerAddresses),
})

/** What a cluster gave to whom it let in. */
export interface Admission {
  readonly cluster: string
  readonly authority: Uint8Array
  readonly certificate: Uint8Array
  readonly secret: Uint8Array
  /** Where the managers can be dialled. */
  readonly managers: readonly string[]
}

export interface KeptCredentials {
  readonly directory: string
  readonly credentials: MemberCredentials
  readonly role: AdmissionRole
  readonly managers: readonly string[]
}

/** The key in this directory, made on first use; the directory too. @throws ClusterError MALFORMED. */
export async function keyIn(directory: string): Promise<Identity> {
  await makeDirectories(directory, 0o700)
  return await loadIdentity(join(directory, keyFile))
}

/**
 * @returns null where nobody was let in yet.
 * @throws ClusterError MALFORMED when the files are damaged, do not belong together, or may be read by others.
 */
export async function readCredentials(directory: string): Promise<KeptCredentials | null> {
  const admission = await readAdmission(directory)
  if (admission === null) return null
  const identity = await keyIn(directory)
  const { peerId, role } = readCertificate(admission.certificate)
  if (peerId !== identity.peerId) {
    const text = `${keyFile} and ${admissionFile} in ${directory} are not of one member`
    throw new ClusterError('MALFORMED', `${text}: put both back from one copy`)
  }
  const { managers } = admission
  const credentials = new MemberCredentials({ ...admission, identity })
  return { directory, credentials, role, managers }
}

/** Replaces what there was; on disk when it resolves. */
export async function keepAdmission(directory: string, admission: Admission): Promise<void> {
  const { cluster, authority, certificate, secret, managers } = admission
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  const content = {
    format,
    cluster,
    authority: text(authority),
    certificate: text(certificate),
    secret: text(secret),
    managers: managers.slice(0, maxManagerAddresses),
  }
  await replaceFile(join(directory, admissionFile), `${JSON.stringify(content, null, 2)}\n`)
}

/** Where the managers are now; nothing is written where that is known. */
export async function keepManagers(directory: string, managers: readonly string[]): Promise<void> {
  const admission = await readAdmission(directory)
  if (admission === null || managers.length === 0) return
  if (JSON.stringify(admission.managers) === JSON.stringify(managers)) return
  await keepAdmission(directory, { ...admission, managers })
}

async function readAdmission(directory: string): Promise<Admission | null> {
  const path = join(directory, admissionFile)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null
    throw error
  })
  if (text === null) return null
  if (((await stat(path)).mode & 0o077) !== 0) {
    throw new ClusterError('MALFORMED', `others may read ${path}: chmod 600 it`)
  }
  const parsed = schema.safeParse(jsonOf(text))
  if (!parsed.success) throw damaged(path)
  const { cluster, managers, ...rest } = parsed.data
  const bytes = (value: string) => new Uint8Array(Buffer.from(value, 'base64'))
  const authority = bytes(rest.authority)
  const secret = bytes(rest.secret)
  if (authority.byteLength !== 32 || secret.byteLength !== secretBytes) throw damaged(path)
  return { cluster, authority, certificate: bytes(rest.certificate), secret, managers }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function damaged(path: string): ClusterError {
  const text = `${path} is damaged, or of another version: put it back from a copy, or remove it and join again`
  return new ClusterError('MALFORMED', text)
}

async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.new`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.chmod(0o600)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  const directory = await open(join(path, '..'), constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
