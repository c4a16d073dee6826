/** What an inode says of itself: getattr, setattr, readlink. */
import { PosixError } from '../../network/errors.ts'
import { maxFileBytes } from '../../network/limits.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { type Context, changedHere } from './context.ts'
import type { SetAttributes } from './contract.ts'
import { inTurn } from './in-turn.ts'

/** The access time may miss what this client has just read (`AccessTimes.told`). */
export async function getattr(context: Context, ino: Ino): Promise<Attributes> {
  const { cluster, inodes } = context
  const { leases } = cluster
  const leased = leases.attributes(ino)
  if (leased !== undefined) return inodes.learn(leased)
  const home = partitionOfIno(ino)
  const asked = leases.asking(home)
  const { body } = await cluster.query('getattr', home, { ino })
  leases.keepAttributes(body.attributes, asked, body.leaseMs)
  context.names.saw(body.attributes)
  return inodes.learn(body.attributes)
}

export async function setattr(
  context: Context,
  ino: Ino,
  changes: SetAttributes,
): Promise<Attributes> {
  const { size } = changes
  const inode = context.inodes.get(ino)
  if (size === undefined || inode === undefined) return change(context, ino, changes)
  // A write of this client that is half done would otherwise find its blocks cut and start again.
  return inTurn(context, inode, false, () => change(context, ino, changes))
}

async function change(context: Context, ino: Ino, changes: SetAttributes): Promise<Attributes> {
  const { size } = changes
  if (size !== undefined && (!Number.isSafeInteger(size) || size < 0)) {
    throw new PosixError('EINVAL', `a size of ${size}`)
  }
  if (size !== undefined && size > maxFileBytes) throw new PosixError('EFBIG')
  const request = { ino, ...withinRange(changes) }
  const home = partitionOfIno(ino)
  const { leases } = context.cluster
  const asked = leases.asking(home)
  const { body, boot } = await context.cluster.mutate('setattr', home, request)
  leases.keepChanged(body.attributes, asked, body.leaseMs)
  context.dirty.mark(ino, home, boot)
  // When `change` rose by one, nobody else's change lies between: pages stay as true as they were.
  const previous = body.attributes.change - 1
  if (size === undefined) changedHere(context, body.attributes, previous)
  else context.synced.changedHere(body.attributes, previous)
  return context.inodes.learn(body.attributes)
}

/** Times that no inode can hold become the nearest that one can, as Linux does it (timestamp_truncate). */
export function withinRange({
  atimeNs,
  mtimeNs,
  ctimeNs,
  ...others
}: SetAttributes): SetAttributes {
  return {
    ...others,
    ...(atimeNs !== undefined && { atimeNs: nearestTime(atimeNs) }),
    ...(mtimeNs !== undefined && { mtimeNs: nearestTime(mtimeNs) }),
    ...(ctimeNs !== undefined && { ctimeNs: nearestTime(ctimeNs) }),
  }
}

const latestNs = 2n ** 63n - 1n
const earliestNs = -(2n ** 63n)

function nearestTime<T extends bigint | 'now'>(time: T): T | bigint {
  if (typeof time !== 'bigint') return time
  return time > latestNs ? latestNs : time < earliestNs ? earliestNs : time
}

export async function readlink(context: Context, ino: Ino): Promise<Uint8Array> {
  const request = context.quiet ? { ino, quiet: true } : { ino }
  return (await context.cluster.query('readlink', partitionOfIno(ino), request)).body.target
}

/** null when the inode went away after its name was read. */
export async function attributesIfThere(context: Context, ino: Ino): Promise<Attributes | null> {
  try {
    return await getattr(context, ino)
  } catch (error) {
    if (isGone(error)) return null
    throw error
  }
}

/** ESTALE comes from a server that no longer has the inode. */
export function isGone(error: unknown): boolean {
  return error instanceof PosixError && (error.code === 'ESTALE' || error.code === 'ENOENT')
}
