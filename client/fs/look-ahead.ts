/**
 * Looking up one name after the other in a directory that was just listed: what the next ones lead to is fetched at once, with leases
 * (network/wire/listed-records.ts), as a listing with attributes would. What it does not bring is looked up as ever.
 *
 * 1. Nobody waits for it for longer than `lookAheadWaitMs`, nor is told how it failed: a listing has to wait for changes that
 *    one name has nothing to do with.
 */
import { sleepOn } from '../../network/env/sleep.ts'
import { lookAheadWaitMs } from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import { cookieBefore } from '../../network/placement/shards.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import type { AheadBatch } from '../cache/listed-directories.ts'
import type { Context } from './context.ts'
import { leaseListed } from './directory.ts'

/**
 * As `ReadLeases.named`, which does not know the name.
 * @returns null when it is not being fetched.
 */
export function namedAhead(
  context: Context,
  parent: Ino,
  name: Name,
): Promise<Ino | undefined> | null {
  const { leases, env } = context.cluster
  const cookie = cookieBefore(entryHash(name))
  const batch = context.listed.begin(parent, cookie, leases.nowMs())
  if (batch === null) return null
  const fetched = fetchBatch(context, parent, batch)
  if (!batch.hasName) return null
  const late = sleepOn(env.timers, lookAheadWaitMs)
  return Promise.race([fetched, late]).then(() => leases.named(parent, name))
}

/** Never fails: who looks up a name then asks for that, and is told. */
async function fetchBatch(
  context: Context,
  directory: Ino,
  { cookie, limitBytes }: AheadBatch,
): Promise<void> {
  const { listed, cluster } = context
  const options = { limitBytes, quiet: true }
  const page = await leaseListed(context, directory, cookie, options).catch(() => null)
  const fetched = page && { names: page.entries.length, next: page.next, end: page.end }
  listed.fetched(directory, fetched, cluster.leases.nowMs())
}
