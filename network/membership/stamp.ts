/**
 * The stamp: a small file that says whose a member's directory is, so that no member ever takes a
 * directory for its own that holds something else.
 *
 * 1. A directory without a stamp is claimed only when it is empty.
 * 2. What a stamp says never changes; what it leaves empty (a cluster not yet joined) is filled in once.
 * 3. A directory that is claimed is its owner's alone to enter.
 * 4. The stamp is replaced atomically and is on disk when `claimDirectory` returns.
 */
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { chmod, open, readdir, rename, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import type { ClusterCode } from '../errors.ts'
import { ClusterError } from '../errors.ts'
import { diskFormat, maxStampBytes } from '../limits.ts'
import { makeDirectories, whyNotMade } from './make-directories.ts'

export const stampFile = 'rookery.json'

/** Files that may lie in a directory that counts as empty: ext4's own, and a stamp cut short. */
const harmless = new Set(['lost+found', `${stampFile}.tmp`])

const stampSchema = z.object({
  format: z.literal(diskFormat),
  /** Empty until the cluster is known. */
  cluster: z.string(),
  role: z.string().min(1),
  /** Empty until the member has one. */
  id: z.string(),
  /** What the directory is for, where a member has several: `meta`, `data`. */
  kind: z.string(),
})
const formatSchema = z.object({ format: z.int() })

export type Stamp = Readonly<z.infer<typeof stampSchema>>

export interface Claim {
  readonly role: string
  readonly cluster?: string
  readonly id?: string
  readonly kind?: string
}

/**
 * Makes sure that the directory is this member's: creates it (0700) where there is none, stamps it where
 * it is empty, and compares the stamp where there is one.
 * @returns the stamp as it is on disk now.
 * @throws ClusterError FOREIGN_DIRECTORY (other files, another role, member or kind), WRONG_CLUSTER,
 * NEWER_FORMAT, or DISK (cannot be read or written, a damaged stamp, not a directory).
 */
export async function claimDirectory(path: string, claim: Claim): Promise<Stamp> {
  const directory = resolve(path)
  await makeDirectory(directory)
  const found = await readStamp(directory)
  if (found === null) await assertEmpty(directory)
  const stamp = merge(directory, found, claim)
  await attempt(`cannot close ${directory} to others`, () => closeToOthers(directory))
  if (found === null || found.cluster !== stamp.cluster || found.id !== stamp.id) {
    await attempt(`cannot write the stamp of ${directory}`, () => writeStamp(directory, stamp))
  }
  return stamp
}

/**
 * @returns null when there is no stamp.
 * @throws ClusterError NEWER_FORMAT or DISK.
 */
export async function readStamp(directory: string): Promise<Stamp | null> {
  const file = join(directory, stampFile)
  const text = await attempt(`cannot read ${file}`, () => readText(file))
  if (text === null) return null
  const content = parse(text)
  const format = formatSchema.safeParse(content)
  if (format.success && format.data.format > diskFormat) {
    fail(
      'NEWER_FORMAT',
      `${directory} has format ${format.data.format}, written by a newer Rookery; this one knows ` +
        `format ${diskFormat}: run the newer one`,
    )
  }
  if (format.success && format.data.format < diskFormat) {
    fail(
      'DISK',
      `${directory} has format ${format.data.format}, of a Rookery before the first release; this ` +
        `one reads format ${diskFormat} only: copy the files with the old one`,
    )
  }
  const stamp = stampSchema.safeParse(content)
  if (stamp.success) return stamp.data
  return fail('DISK', `${file} is damaged (${flawOf(stamp.error)}): put back a copy of it`)
}

function flawOf({ issues }: z.ZodError): string {
  const fields = issues.flatMap(({ path }) => path.map(String))
  return fields.length === 0 ? 'it is no JSON object' : `no valid ${fields.join(', ')}`
}

function merge(directory: string, found: Stamp | null, claim: Claim): Stamp {
  const { role, kind = '', cluster = '', id = '' } = claim
  if (found === null) return { format: diskFormat, cluster, role, id, kind }
  if (found.role !== role || found.kind !== kind) {
    const name = (role: string, kind: string) => (kind === '' ? role : `${role} (${kind})`)
    fail(
      'FOREIGN_DIRECTORY',
      `${directory} belongs to a ${name(found.role, found.kind)}, not to a ` +
        `${name(role, kind)}: give another directory`,
    )
  }
  if (cluster !== '' && found.cluster !== '' && found.cluster !== cluster) {
    fail(
      'WRONG_CLUSTER',
      `${directory} belongs to cluster ${found.cluster}, not to ${cluster}: give another directory, ` +
        'or the manager of its own cluster',
    )
  }
  if (id !== '' && found.id !== '' && found.id !== id) {
    fail(
      'FOREIGN_DIRECTORY',
      `${directory} belongs to ${role} ${found.id}, not to ${id}: give another directory`,
    )
  }
  return { ...found, cluster: found.cluster || cluster, id: found.id || id }
}

async function makeDirectory(directory: string): Promise<void> {
  const created = await makeDirectories(directory, 0o700).catch(cause => {
    const text = `cannot make ${directory}: ${whyNotMade(cause)}; give another directory`
    throw new ClusterError('DISK', text, { cause })
  })
  if (created !== undefined) {
    await attempt(`cannot sync ${dirname(created)}`, () => syncDirectory(dirname(created)))
    return
  }
  const status = await attempt(`cannot read ${directory}`, () => stat(directory))
  if (!status.isDirectory()) fail('DISK', `${directory} is not a directory`)
}

/** What is in it is a cluster's, keys too, and nobody else's to read: a copy may have come back with other modes. */
async function closeToOthers(directory: string): Promise<void> {
  const { mode } = await stat(directory)
  if ((mode & 0o077) !== 0) await chmod(directory, mode & 0o700)
}

async function assertEmpty(directory: string): Promise<void> {
  const names = await attempt(`cannot read ${directory}`, () => readdir(directory))
  const others = names.filter(name => !harmless.has(name))
  if (others.length === 0) return
  fail(
    'FOREIGN_DIRECTORY',
    `${directory} holds files that are not Rookery's (${others.toSorted().slice(0, 3).join(', ')}` +
      `${others.length > 3 ? ', …' : ''}): give an empty directory`,
  )
}

async function writeStamp(directory: string, stamp: Stamp): Promise<void> {
  const file = join(directory, stampFile)
  const handle = await open(`${file}.tmp`, 'w', 0o600)
  try {
    await handle.writeFile(`${JSON.stringify(stamp, null, 2)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${file}.tmp`, file)
  await syncDirectory(directory)
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function readText(file: string): Promise<string | null> {
  let handle: FileHandle
  try {
    handle = await open(file)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
  try {
    const { size } = await handle.stat()
    if (size > maxStampBytes) fail('DISK', `${file} is ${size} bytes long: that is no stamp`)
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

/** @returns undefined for what is not JSON: the schema then says what is wrong. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

async function attempt<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (error instanceof ClusterError) throw error
    const code = codeOf(error)
    const reason = code === 'ENOTDIR' || code === 'EEXIST' ? 'it is not a directory' : String(error)
    throw new ClusterError('DISK', `${what}: ${reason}`, { cause: error })
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

function fail(code: ClusterCode, message: string): never {
  throw new ClusterError(code, message)
}
