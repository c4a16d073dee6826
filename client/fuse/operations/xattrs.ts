/**
 * Requests about extended attributes (xattr(7)). File capabilities and access control lists are refused,
 * not stored: nobody would obey them here (the mount is nosuid, the kernel checks mode bits only), and a
 * list that protects nothing is worse than none.
 */
import { PosixError } from '../../../network/errors.ts'
import { outHeaderBytes } from '../protocol/numbers.ts'
import type { Request } from '../protocol/request.ts'
import type { Session } from '../session.ts'

const capability = Buffer.from('security.capability')
const system = Buffer.from('system.')

export async function getxattr(session: Session, request: Request): Promise<void> {
  const size = request.u32(0)
  const name = request.name(8)
  if (isRefused(name)) throw new PosixError('ENODATA')
  sendValue(
    session,
    request,
    await session.fileSystem.getxattr(session.inoOf(request.node), name),
    size,
  )
}

export async function listxattr(session: Session, request: Request): Promise<void> {
  const size = request.u32(0)
  sendValue(session, request, await session.fileSystem.listxattr(session.inoOf(request.node)), size)
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

export async function setxattr(session: Session, request: Request): Promise<void> {
  const [size, flags] = [request.u32(0), request.u32(4)]
  const end = request.textEnd(8)
  const name = request.text(8, end)
  if (isRefused(name)) throw new PosixError('EOPNOTSUPP')
  const value = Uint8Array.from(request.data(end + 1, size))
  await session.fileSystem.setxattr(session.inoOf(request.node), name, value, flags)
  session.done(request)
}

export async function removexattr(session: Session, request: Request): Promise<void> {
  const name = request.name(0)
  if (isRefused(name)) throw new PosixError('ENODATA')
  await session.fileSystem.removexattr(session.inoOf(request.node), name)
  session.done(request)
}

function isRefused(name: Uint8Array): boolean {
  return capability.equals(name) || system.equals(name.subarray(0, system.length))
}
