import test from 'ava'
import { PosixError } from '../../network/errors.ts'
import { type Attributes, fileType } from '../../network/wire/attributes.ts'
import { changedWhileGone, LastAttributes } from './last-attributes.ts'
import { MemoryInode } from './memory-inode.ts'

function attributes(ino: number, more: Partial<Attributes> = {}): Attributes {
  const is = { mode: fileType.regular | 0o644, rdev: 0, uid: 0, gid: 0 }
  return { ...new MemoryInode(ino, is, 1n).attributes(), size: 5, ...more }
}

test('what is gone is as it was told last, without links; a directory is empty', t => {
  const last = new LastAttributes()
  last.tell(attributes(1, { uid: 1 }))
  last.tell(attributes(1, { uid: 2, nlink: 3 }))
  last.tell(attributes(2, { mode: fileType.directory | 0o755, nlink: 2 }))
  t.like(last.gone(1), { uid: 2, nlink: 0, size: 5 })
  t.like(last.gone(2), { nlink: 0, size: 0 })
})

test('nothing is said of what was never told, or was told too long ago', t => {
  const last = new LastAttributes(4)
  for (const ino of [1, 2, 1, 3]) last.tell(attributes(ino))
  t.deepEqual(
    [1, 2, 3, 4].map(ino => last.gone(ino) !== undefined),
    [true, false, true, false],
  )
})

test('what is gone is changed for those who still refer to it, but for its type', t => {
  const last = new LastAttributes()
  last.tell(attributes(1, { mode: fileType.fifo | 0o644 }))
  const stale = new PosixError('ESTALE')
  const changes = { mode: 0o600, uid: 7, mtimeNs: 5n, atimeNs: 'now' } as const
  last.tell(changedWhileGone(last.goneBehind(stale, 1), changes))
  t.like(last.gone(1), { mode: fileType.fifo | 0o600, uid: 7, gid: 0, mtimeNs: 5n, atimeNs: 1n })
  t.throws(() => last.goneBehind(stale, 2), { is: stale })
  const other = new PosixError('EIO')
  t.throws(() => last.goneBehind(other, 1), { is: other })
})
