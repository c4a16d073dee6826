/** readdir(3), with attributes where they are wanted: those of subdirectories live elsewhere. */
import { PosixError } from '../../network/errors.ts'
import { maxAttributeRequests, readdirLimitBytes } from '../../network/limits.ts'
import { clusterRootIno, type Ino } from '../../network/wire/ids.ts'
import type {
  DirectoryEntry,
  ListedEntry,
  ReaddirReply,
  ReaddirRequest,
} from '../../network/wire/operations.ts'
import { inParallel } from '../cluster/parallel.ts'
import type { Asked, ReadLeases } from '../cluster/read-leases.ts'
import { attributesIfThere } from './attributes.ts'
import type { Context } from './context.ts'
import type { DirectoryPage, ReadOptions } from './contract.ts'
import { behindCookie } from './shards.ts'

export async function readdir(
  context: Context,
  ino: Ino,
  cookie: number,
  options: ReadOptions & { readonly plus: boolean; readonly limitBytes: number },
): Promise<DirectoryPage> {
  const { plus } = options
  const limitBytes = Math.min(options.limitBytes, readdirLimitBytes)
  const quiet = context.quiet || options.quiet === true
  const request = { ino, cookie, limitBytes, plus, ...(quiet && { quiet }) }
  let page = await readPage(context, request)
  // A shard without further entries is not the end of its directory.
  while (page.entries.length === 0 && !page.end) {
    const { parent } = page
    page = { ...(await readPage(context, { ...request, cookie: page.next })), parent }
  }
  // Volumes do not lie in one another: the top of one is its own `..`.
  const parent = page.parent === clusterRootIno ? ino : page.parent
  const entries = plus ? await withAttributes(context, page.entries) : page.entries
  return { entries, end: page.end, parent }
}

async function readPage(context: Context, request: ReaddirRequest): Promise<ReaddirReply> {
  const { ino, cookie } = request
  const { leases } = context.cluster
  const page = await behindCookie(context, ino, cookie, async partition => {
    const asked = leases.asking(partition)
    const { body } = await context.cluster.query('readdir', partition, request)
    if (request.plus) keepListed(leases, ino, body.entries, asked)
    return body
  })
  if (page.end || page.next > cookie) return page
  throw new PosixError('EIO', `directory ${ino} does not go on behind ${cookie}`)
}

function keepListed(
  leases: ReadLeases,
  directory: Ino,
  entries: readonly ListedEntry[],
  asked: Asked,
): void {
  for (const { name, ino, attributes, nameMs, leaseMs } of entries) {
    if (nameMs > 0) leases.keepName(directory, name, ino, asked, nameMs)
    if (attributes !== null) leases.keepAttributes(attributes, asked, leaseMs)
  }
}

async function withAttributes(
  context: Context,
  entries: readonly DirectoryEntry[],
): Promise<readonly DirectoryEntry[]> {
  const complete = entries.map(entry =>
    entry.attributes === null
      ? entry
      : { ...entry, attributes: context.inodes.learn(entry.attributes) },
  )
  const missing: number[] = []
  complete.forEach((entry, index) => {
    if (entry.attributes === null) missing.push(index)
  })
  await inParallel(missing.length, maxAttributeRequests, async turn => {
    const index = missing[turn]!
    const entry = complete[index]!
    complete[index] = { ...entry, attributes: await attributesIfThere(context, entry.ino) }
  })
  return complete
}
