/** Requests about where a file has data: FALLOCATE, LSEEK, COPY_FILE_RANGE. */
import { PosixError } from '../../../network/errors.ts'
import { maxCopyBytes } from '../../../network/limits.ts'
import type { AllocateMode } from '../../fs/contract.ts'
import { fallocateMode, outHeaderBytes, whence } from '../protocol/numbers.ts'
import type { Request } from '../protocol/request.ts'
import type { Session } from '../session.ts'

/** struct fuse_fallocate_in. The kernel has written dirty pages of the range, and drops its pages after. */
export async function fallocate(session: Session, request: Request): Promise<void> {
  const file = session.handles.file(request.u64(0))
  const flags = request.u32(24)
  const mode = modeOf(flags)
  const keepSize = (flags & fallocateMode.keepSize) !== 0
  if (mode === 'punch' && !keepSize) throw new PosixError('EOPNOTSUPP')
  // Only a user without CAP_FSETID loses the bits; the kernel does not tell, and leaves it to us.
  const options = { keepSize, killPrivileges: request.uid !== 0 }
  await session.fileSystem.allocate(file, mode, request.u64(8), request.u64(16), options)
  session.done(request)
}

/** @throws PosixError EOPNOTSUPP for the modes that move data behind the range, and unknown ones. */
function modeOf(flags: number): AllocateMode {
  const { keepSize, punchHole, zeroRange } = fallocateMode
  switch (flags & ~keepSize) {
    case 0:
      return 'allocate'
    case punchHole:
      return 'punch'
    case zeroRange:
      return 'zero'
    default:
      throw new PosixError('EOPNOTSUPP', `fallocate with mode ${flags}`)
  }
}

/** struct fuse_lseek_in. */
export async function lseek(session: Session, request: Request): Promise<void> {
  const handle = request.u64(0)
  const file = session.handles.file(handle)
  const kind = request.u32(16)
  if (kind !== whence.data && kind !== whence.hole) throw new PosixError('EINVAL')
  // What programs changed in mapped pages is data, too: the kernel writes it when told to drop the pages.
  if (session.handles.mayBeMapped(file.ino)) await session.invalidateInode(file.ino)
  const wanted = kind === whence.data ? 'data' : 'hole'
  const offset = await session.fileSystem.seek(file, wanted, request.position(8))
  session.reply.u64(outHeaderBytes, offset)
  session.send(request, outHeaderBytes + 8)
}

/**
 * struct fuse_copy_file_range_in. The kernel has written dirty pages of both ranges, and drops the target's.
 *
 * It has also cut the length to the size that it knows the source to have (`generic_copy_file_checks` takes i_size, and asks for
 * nothing at all from there on): where another mount has made that longer and nobody has looked at it since, programs are
 * told of fewer bytes, or of its end, and no answer from here can say more. Who looks first (stat, open) copies all of it.
 */
export async function copyFileRange(session: Session, request: Request): Promise<void> {
  const source = session.handles.file(request.u64(0))
  const target = session.handles.file(request.u64(24))
  const length = Math.min(request.u64(40), maxCopyBytes)
  const range = { from: request.u64(8), to: request.u64(32), length }
  const options = { killPrivileges: request.uid !== 0 }
  const copied = await session.fileSystem.copyRange(source, target, range, options)
  session.reply.u32(outHeaderBytes, copied)
  session.reply.u32(outHeaderBytes + 4, 0)
  session.send(request, outHeaderBytes + 8)
}
