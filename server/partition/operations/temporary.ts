/**
 * open(2) with O_TMPFILE: a file that begins without a name. It lies where the directory's own inode is, goes
 * when nobody has it open any longer, and may get a name by linkat(2) until it had one.
 */
import { PosixError } from '../../../network/errors.ts'
import { isRegular } from '../../../network/wire/attributes.ts'
import { attributesOf } from '../../metadata/inode.ts'
import { readDirectory } from '../directories.ts'
import { keepOrphan, writeInode } from '../inodes.ts'
import { addInode, inheritedOf } from '../new-inode.ts'
import { noPayload, type Operation } from '../operation.ts'
import { oneFile } from '../usage.ts'
import { checkAttributes } from './attributes.ts'

export const createTemporary: Operation<'createTemporary'> = (context, request) => {
  const { batch, facts, nowNs } = context
  const { mode, umask, uid, gid, linkable } = request
  checkAttributes({ mode, umask, uid, gid })
  if (!isRegular(mode)) throw new PosixError('EINVAL', 'only a regular file begins without a name')
  const directory = readDirectory(batch, request.parent)
  context.usage.admit(batch, directory.volume, oneFile)
  const ino = facts.allocateIno()
  const init = { ino, mode, umask, uid, gid, rdev: 0, target: new Uint8Array(0), nowNs }
  const inode = { ...addInode(batch, inheritedOf(batch, directory), init), nlink: 0 }
  writeInode(batch, inode)
  keepOrphan(batch, ino, { linkable })
  context.sessions.opened(context.client, ino)
  return { body: { attributes: attributesOf(inode) }, payload: noPayload }
}
