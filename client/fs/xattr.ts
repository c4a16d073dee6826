/** Extended attributes: xattr(7). */
import { PosixError } from '../../network/errors.ts'
import { maxXattrValueBytes } from '../../network/limits.ts'
import { isDirectory, isRegular } from '../../network/wire/attributes.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import { lacksXattr, xattrFlag, xattrNameOf } from '../../network/wire/xattr-names.ts'
import type { Context } from './context.ts'
import type { SetXattrOptions } from './contract.ts'

/** XATTR_CREATE and XATTR_REPLACE; with both of them it fails one way or the other (setxattr(2)). */
const flagsKnown = 1 | 2

export async function getxattr(context: Context, ino: Ino, name: Name): Promise<Uint8Array> {
  const text = xattrNameOf(name)
  const { cluster } = context
  const leased = cluster.leases.attributes(ino)
  // A link or a device cannot have an ACL at all, and its server says so.
  const mayHave = leased !== undefined && (isRegular(leased.mode) || isDirectory(leased.mode))
  if (mayHave && lacksXattr(leased.xattrFlags, text)) throw new PosixError('ENODATA')
  return (await cluster.query('getxattr', partitionOfIno(ino), { ino, name })).body.value
}

export async function setxattr(
  context: Context,
  ino: Ino,
  name: Name,
  value: Uint8Array,
  flags: number,
  options?: SetXattrOptions,
): Promise<void> {
  xattrNameOf(name)
  if (value.length > maxXattrValueBytes) throw new PosixError('E2BIG')
  if ((flags & ~flagsKnown) !== 0) throw new PosixError('EINVAL', `flags ${flags} of setxattr`)
  const killSetgid = options?.killSetgid === true
  const request = { ino, name, value, flags, ...(killSetgid && { killSetgid }) }
  const home = partitionOfIno(ino)
  const { boot } = await context.cluster.mutate('setxattr', home, request)
  context.dirty.mark(ino, home, boot)
}

export async function listxattr(context: Context, ino: Ino): Promise<Uint8Array> {
  const { xattrFlags = 0 } = context.cluster.leases.attributes(ino) ?? {}
  if ((xattrFlags & xattrFlag.none) !== 0) return new Uint8Array(0)
  return (await context.cluster.query('listxattr', partitionOfIno(ino), { ino })).body.value
}

export async function removexattr(context: Context, ino: Ino, name: Name): Promise<void> {
  xattrNameOf(name)
  const home = partitionOfIno(ino)
  const { boot } = await context.cluster.mutate('removexattr', home, { ino, name })
  context.dirty.mark(ino, home, boot)
}
