/**
 * Requests about locks: GETLK, SETLK, SETLKW. The kernel keeps none of its own on such a mount; open file
 * description locks come as record locks whose owner is the open file.
 */
import { errnoByCode, PosixError, posixCodeOf } from '../../../network/errors.ts'
import { type LockType, lastLockByte, lockType } from '../../../network/locks/ranges.ts'
import { type AskedLock, setCoherently } from '../coherence.ts'
import { lockIsFlock, lockReplyBytes, outHeaderBytes } from '../protocol/numbers.ts'
import type { Request } from '../protocol/request.ts'
import type { Session } from '../session.ts'

export async function getlk(session: Session, request: Request): Promise<void> {
  const { locks, file, lock } = lockOf(session, request)
  const found = await locks.test(file, lock)
  const type = found === null ? lockType.unlock : found.exclusive ? lockType.write : lockType.read
  const { start, end, pid } = found ?? lock
  const { reply } = session
  reply.i64(outHeaderBytes, start)
  reply.i64(outHeaderBytes + 8, end)
  reply.u32(outHeaderBytes + 16, type)
  reply.u32(outHeaderBytes + 20, found === null ? 0 : pid)
  session.send(request, outHeaderBytes + lockReplyBytes)
}

export async function setlk(session: Session, request: Request): Promise<void> {
  await setCoherently(session, lockOf(session, request), null)
  session.done(request)
}

/** Its slot is free while it waits: however many wait, others are served. */
export function setlkw(session: Session, request: Request): undefined {
  const asked = lockOf(session, request)
  const wait = session.waits.begin(request)
  session.drop(request)
  const signal = asked.lock.type === lockType.unlock ? null : wait.signal
  setCoherently(session, asked, signal).then(
    () => session.answerLate(wait, 0),
    error => {
      const code = posixCodeOf(error)
      if (code === 'EIO') session.events.onUnexpected(error, 'wait for a lock')
      session.answerLate(wait, errnoByCode[code])
    },
  )
}

/** fuse_lk_in. */
function lockOf(session: Session, request: Request): AskedLock {
  const { locks } = session.fileSystem
  if (locks === undefined) throw new PosixError('ENOSYS', "locks are the kernel's own here")
  const file = session.handles.file(request.u64(0))
  const [start, end] = [request.i64(16), request.i64(24)]
  const type = typeOf(request.u32(32))
  if (start < 0n || end < start || end > lastLockByte) throw new PosixError('EINVAL', 'a lock')
  const flock = (request.u32(40) & lockIsFlock) !== 0
  return {
    locks,
    file,
    lock: { owner: request.i64(8), flock, start, end, type, pid: request.u32(36) },
  }
}

function typeOf(type: number): LockType {
  for (const known of Object.values(lockType)) if (known === type) return known
  throw new PosixError('EINVAL', `a lock of type ${type}`)
}
