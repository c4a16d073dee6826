/** The session's own requests: INIT, DESTROY, FORGET, INTERRUPT, ACCESS. */
import { errnoByCode, PosixError } from '../../../network/errors.ts'
import { maxFuseBackground, maxFuseDataBytes } from '../../../network/limits.ts'
import {
  initFlag,
  initFlag2,
  initReplyBytes,
  newestMinor,
  oldestMinor,
  outHeaderBytes,
  protocolMajor,
} from '../protocol/numbers.ts'
import type { Request } from '../protocol/request.ts'
import type { Session } from '../session.ts'

/** Pages of one request; the kernel's own bound (fs.fuse.max_pages_limit). */
const maxPages = 256

/**
 * What is asked of the kernel, where it can. Not asked, on purpose: write-back caching (other mounts would
 * not see the data), symlink caching (a target is not leased), opening without a request.
 */
const wanted =
  initFlag.asyncRead |
  initFlag.atomicTruncate |
  initFlag.bigWrites |
  initFlag.autoInvalidateData |
  initFlag.readdirplus |
  initFlag.readdirplusAuto |
  initFlag.asyncDirect |
  initFlag.parallelDirops |
  initFlag.abortError |
  initFlag.maxPages |
  initFlag.handleKillPrivilegesV2 |
  initFlag.extended

/** Files that are appended to go past the kernel's pages, and may be mapped all the same (Linux 6.6). */
const wanted2 = initFlag2.directIoAllowMmap

/** Of a file system that keeps access control lists: umasks are its business, too. */
const wantedWithAcls = initFlag.dontMask | initFlag.extendedSetxattr

export function init(session: Session, request: Request): undefined {
  const [major, minor, readahead] = [request.u32(0), request.u32(4), request.u32(8)]
  const { reply } = session
  reply.buffer.fill(0, outHeaderBytes, outHeaderBytes + initReplyBytes)
  if (major > protocolMajor) {
    /** The kernel will ask again with our major version. */
    reply.u32(outHeaderBytes, protocolMajor)
    session.send(request, outHeaderBytes + initReplyBytes)
    return
  }
  if (major < protocolMajor || minor < oldestMinor) {
    const message = `the kernel speaks FUSE ${major}.${minor}; 7.${oldestMinor} (Linux 5.4) is needed`
    session.fail(request, errnoByCode.EPROTO)
    session.events.onReady(new PosixError('EPROTO', message))
    return
  }
  const extended = (request.u32(12) & initFlag.extended) !== 0
  session.agreed2 = extended ? request.u32(16) & wanted2 : 0
  writeInit(session, Math.min(minor, newestMinor), readahead, request.u32(12))
  session.send(request, outHeaderBytes + initReplyBytes)
  session.events.onReady(null)
}

function writeInit(session: Session, minor: number, readahead: number, offered: number): void {
  const { reply } = session
  const at = outHeaderBytes
  reply.u32(at, protocolMajor)
  reply.u32(at + 4, minor)
  reply.u32(at + 8, Math.min(readahead, maxFuseDataBytes))
  session.agreed = offered & (wanted | aclFlags(session) | lockFlags(session))
  reply.u32(at + 12, session.agreed >>> 0)
  reply.u16(at + 16, maxFuseBackground)
  reply.u16(at + 18, Math.floor((maxFuseBackground * 3) / 4))
  reply.u32(at + 20, maxFuseDataBytes)
  reply.u32(at + 24, 1)
  reply.u16(at + 28, maxPages)
  reply.u32(at + 32, session.agreed2)
}

/** Where the file system has none the kernel keeps locks by itself. */
function lockFlags({ fileSystem }: Session): number {
  return fileSystem.locks === undefined ? 0 : initFlag.posixLocks | initFlag.flockLocks
}

/** With FUSE_POSIX_ACL the kernel would check permissions also where it was asked for no checks. */
function aclFlags(session: Session): number {
  if (session.fileSystem.keepsAcls !== true) return 0
  return session.permissionsChecked ? wantedWithAcls | initFlag.posixAcl : wantedWithAcls
}

export function destroy(session: Session, request: Request): undefined {
  session.done(request)
}

export function forget(session: Session, request: Request): undefined {
  session.drop(request)
}

export function batchForget(session: Session, request: Request): undefined {
  session.drop(request)
}

/**
 * Only a wait for a lock is cut short: everything else ends within its deadline, interrupted or not. Where there
 * are no locks ENOSYS has the kernel ask no more.
 */
export function interrupt(session: Session, request: Request): undefined {
  if (session.fileSystem.locks === undefined) {
    session.fail(request, errnoByCode.ENOSYS)
    return
  }
  session.waits.interrupt(request.u32(0), request.u32(4))
  session.drop(request)
}

/** ENOSYS: the kernel checks permissions itself (default_permissions) and asks no more. */
export function access(session: Session, request: Request): undefined {
  session.fail(request, errnoByCode.ENOSYS)
}
