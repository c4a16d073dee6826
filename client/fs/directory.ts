/** readdir(3): names alone, or with attributes, of which those of subdirectories live elsewhere. */
import { PosixError } from '../../network/errors.ts'
import { maxAttributeRequests, readdirLimitBytes } from '../../network/limits.ts'
import { recordsOf } from '../../network/wire/directory-records.ts'
import { clusterRootIno, type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import { entriesOfListed } from '../../network/wire/listed-records.ts'
import type {
  DirectoryEntry,
  ListedEntry,
  ReaddirReply,
  ReaddirRequest,
} from '../../network/wire/operations.ts'
import type { PageRequest, Version } from '../cache/kept-listings.ts'
import { inParallel } from '../cluster/parallel.ts'
import type { Asked, ReadLeases } from '../cluster/read-leases.ts'
import { attributesIfThere, getattr } from './attributes.ts'
import type { Context } from './context.ts'
import type { DirectoryPage, ListOptions, NamesPage } from './contract.ts'
import { behindCookie } from './shards.ts'

export async function readdir(
  context: Context,
  ino: Ino,
  cookie: number,
  options: ListOptions,
): Promise<NamesPage> {
  const { cluster, listings, shards } = context
  context.listed.listed(ino, cookie === 0, cluster.leases.nowMs())
  const request = { cookie, limitBytes: limitBytesOf(options) }
  const kept = keptPage(context, ino, request, options)
  if (kept !== undefined) return kept
  sawDirectory(context, ino)
  const version = listings.versionOf(ino)
  const own = await ownPage(context, ino, request, options)
  const page = own ?? (await namesOf(context, ino, cookie, options))
  if (version !== undefined && !shards.has(ino)) listings.keep(ino, version, request, page)
  return page
}

/** From the directory's server, or servers. */
function namesOf(
  context: Context,
  ino: Ino,
  cookie: number,
  options: ListOptions,
): Promise<NamesPage> {
  return listed(context, ino, cookie, options, async (partition, request) => {
    const { body, payload } = await context.cluster.query('readdir', partition, request)
    const records = recordsOf(payload)
    return { ...body, records, isEmpty: records.length === 0 }
  })
}

/**
 * What the server would answer, when this client has made all names that there are. It is asked for one of them alone at the
 * start, as that moves the access time, and tells who is above.
 */
async function ownPage(
  context: Context,
  ino: Ino,
  request: PageRequest,
  options: ListOptions,
): Promise<NamesPage | undefined> {
  const { cluster, names, shards } = context
  if (shards.has(ino) || !names.canList(ino, cluster.leases.attributes(ino))) return undefined
  const isStart = request.cookie === 0
  const parent = isStart
    ? (await namesOf(context, ino, 0, { ...options, limitBytes: 1 })).parent
    : 0
  const directory = await getattr(context, ino)
  const page = shards.has(ino) ? undefined : names.page(directory, request)
  return page && { ...page, parent }
}

/** What the server would answer, when it is known without asking. */
function keptPage(
  context: Context,
  ino: Ino,
  request: PageRequest,
  options: ListOptions,
): NamesPage | undefined {
  const version = leasedVersion(context, ino)
  if (version === null) return undefined
  const movesAccessTime = request.cookie === 0 && !isQuiet(context, ino, options)
  return movesAccessTime ? undefined : context.listings.find(ino, version, request)
}

/** To be called before it is listed: that may end the lease. */
function sawDirectory(context: Context, ino: Ino): void {
  const version = leasedVersion(context, ino)
  if (version !== null) context.listings.saw(ino, version, context.cluster.leases.nowMs())
}

/** As it is now; null when that is not leased, or when the directory is split: its `change` is a sum (names.ts). */
function leasedVersion({ cluster, shards }: Context, ino: Ino): Version | null {
  const directory = shards.has(ino) ? undefined : cluster.leases.attributes(ino)
  if (directory === undefined) return null
  const boot = cluster.bootOf(partitionOfIno(ino))
  return boot.id === '' ? null : { change: directory.change, boot, viewEpoch: cluster.view.epoch }
}

function limitBytesOf({ limitBytes }: ListOptions): number {
  return Math.min(limitBytes, readdirLimitBytes)
}

/** With attributes; null remains only for entries that vanished meanwhile. */
export async function readdirplus(
  context: Context,
  ino: Ino,
  cookie: number,
  options: ListOptions,
): Promise<DirectoryPage> {
  const page = await leaseListed(context, ino, cookie, options)
  return { ...page, entries: await withAttributes(context, page.entries) }
}

/** As `readdirplus`, but with null also for what has to be asked for elsewhere. What is leased can be told from now on. */
export async function leaseListed(
  context: Context,
  ino: Ino,
  cookie: number,
  options: ListOptions,
): Promise<DirectoryPage> {
  const { leases } = context.cluster
  sawDirectory(context, ino)
  return await listed(context, ino, cookie, options, async (partition, request) => {
    const asked = leases.asking(partition)
    const { body, payload } = await context.cluster.query('readdirplus', partition, request)
    const entries = entriesOfListed(recordsOf(payload))
    keepListed(leases, ino, entries, asked)
    return { ...body, entries, isEmpty: entries.length === 0 }
  })
}

/** The next page that has entries: a shard without further ones is not the end of its directory. */
async function listed<P extends ReaddirReply & { readonly isEmpty: boolean }>(
  context: Context,
  ino: Ino,
  cookie: number,
  options: ListOptions,
  ask: (partition: Partition, request: ReaddirRequest) => Promise<P>,
): Promise<P> {
  const limitBytes = limitBytesOf(options)
  const quiet = isQuiet(context, ino, options)
  let page: P | null = null
  let parent = 0
  for (let behind = cookie; page === null || (page.isEmpty && !page.end); behind = page.next) {
    const request = { ino, cookie: behind, limitBytes, ...(quiet && { quiet }) }
    page = await behindCookie(context, ino, behind, partition => ask(partition, request))
    if (behind === cookie) parent = page.parent
    if (page.end || page.next > behind) continue
    throw new PosixError('EIO', `directory ${ino} does not go on behind ${behind}`)
  }
  // Volumes do not lie in one another: the top of one is its own `..`.
  return { ...page, parent: parent === clusterRootIno ? ino : parent }
}

function isQuiet(context: Context, ino: Ino, options: ListOptions): boolean {
  return context.quiet || options.quiet === true || isKnownAsRead(context, ino)
}

/** Listing it would not move its access time: who does not ask for that may go on saying what it is leased. */
function isKnownAsRead({ cluster, accesses }: Context, ino: Ino): boolean {
  const leased = cluster.leases.attributes(ino)
  return leased !== undefined && !accesses.isDue(leased)
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
