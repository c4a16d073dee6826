/**
 * Requests about extended attributes (xattr(7)).
 *
 * 1. The kernel keeps an ACL until it is told attributes of the inode again, or that they are not true any more. Not leased, it
 *    is told nothing sooner: a notice has it drop the attributes that are on their way, and check and read by older ones.
 * 2. The kernel asks whether a file has capabilities to take away before it writes, each time it has been
 *    told attributes (security_inode_need_killpriv: a GETXATTR of size 0). The servers take them away by
 *    themselves, so those attributes are answer enough.
 * 3. That there is no access ACL is said from the attributes that the same thread has just been told, or from leased ones.
 * 4. Where the file system keeps no ACLs, they and file capabilities are refused, not stored: a list that
 *    protects nothing is worse than none.
 */
import { errnoByCode, PosixError } from '../../../network/errors.ts'
import type { Ino } from '../../../network/wire/ids.ts'
import { accessAclName, capabilityName } from '../../../network/wire/xattr-names.ts'
import { initFlag, outHeaderBytes, setxattrKillSetgid } from '../protocol/numbers.ts'
import type { Request } from '../protocol/request.ts'
import type { Session } from '../session.ts'

const accessAcl = Buffer.from(accessAclName)
const capability = Buffer.from(capabilityName)
const system = Buffer.from('system.')

export async function getxattr(session: Session, request: Request): Promise<void> {
  const size = request.u32(0)
  const name = request.name(8)
  const ino = session.inoOf(request.node)
  if (isRefused(session, name) || isKnownAbsent(session, request, name, size)) {
    session.fail(request, errnoByCode.ENODATA)
    return
  }
  sendValue(session, request, await attributeValue(session, ino, name), size)
}

async function attributeValue(session: Session, ino: Ino, name: Uint8Array): Promise<Uint8Array> {
  try {
    return await session.fileSystem.getxattr(ino, name)
  } catch (error) {
    session.handles.last.goneBehind(error, ino)
    throw new PosixError('ENODATA', 'what is gone has none', { cause: error })
  }
}

/** What the kernel asks for often has been told it with the attributes. */
function isKnownAbsent(
  session: Session,
  request: Request,
  name: Uint8Array,
  size: number,
): boolean {
  const ino = session.inoOf(request.node)
  if (accessAcl.equals(name)) return session.lastChecks.takeNoAcl(request.thread, ino)
  return size === 0 && capability.equals(name) && session.handles.told.takeNoCapability(ino)
}

export async function listxattr(session: Session, request: Request): Promise<void> {
  const size = request.u32(0)
  const list = await listOf(session, session.inoOf(request.node))
  sendValue(session, request, request.uid === 0 ? list : withoutTrusted(list), size)
}

async function listOf(session: Session, ino: Ino): Promise<Uint8Array> {
  try {
    return await session.fileSystem.listxattr(ino)
  } catch (error) {
    session.handles.last.goneBehind(error, ino)
    return new Uint8Array(0)
  }
}

/** Nobody but root sees that there are trusted attributes. */
function withoutTrusted(list: Uint8Array): Uint8Array {
  const names = Buffer.from(list).toString('latin1').split('\0').slice(0, -1)
  const seen = names.filter(name => !name.startsWith('trusted.'))
  return Buffer.from(seen.map(name => `${name}\0`).join(''), 'latin1')
}

/** Size 0 asks how much there is (fuse_getxattr_out). */
function sendValue(session: Session, request: Request, value: Uint8Array, size: number): void {
  if (size === 0) {
    session.reply.u32(outHeaderBytes, value.length)
    session.reply.u32(outHeaderBytes + 4, 0)
    session.send(request, outHeaderBytes + 8)
    return
  }
  if (value.length > size) throw new PosixError('ERANGE')
  session.sendPieces(request, [value], value.length)
}

/** struct fuse_setxattr_in, or its beginning when no more was agreed upon. */
export async function setxattr(session: Session, request: Request): Promise<void> {
  const [size, flags] = [request.u32(0), request.u32(4)]
  const extended = (session.agreed & initFlag.extendedSetxattr) !== 0
  const killSetgid = extended && (request.u32(8) & setxattrKillSetgid) !== 0
  const nameAt = extended ? 16 : 8
  const end = request.textEnd(nameAt)
  const name = request.text(nameAt, end)
  if (isRefused(session, name)) throw new PosixError('EOPNOTSUPP')
  const value = Uint8Array.from(request.data(end + 1, size))
  const ino = session.inoOf(request.node)
  session.handles.told.takeNoCapability(ino)
  try {
    await session.fileSystem.setxattr(ino, name, value, flags, { killSetgid })
  } finally {
    session.handles.told.takeNoCapability(ino)
    if (accessAcl.equals(name)) session.lastChecks.aclChanged()
  }
  await session.settle(ino)
  session.done(request)
}

export async function removexattr(session: Session, request: Request): Promise<void> {
  const name = request.name(0)
  if (isRefused(session, name)) throw new PosixError('ENODATA')
  const ino = session.inoOf(request.node)
  try {
    await session.fileSystem.removexattr(ino, name)
  } finally {
    if (accessAcl.equals(name)) session.lastChecks.aclChanged()
  }
  await session.settle(ino)
  session.done(request)
}

function isRefused(session: Session, name: Uint8Array): boolean {
  if (session.fileSystem.keepsAcls === true) return false
  return capability.equals(name) || system.equals(name.subarray(0, system.length))
}
