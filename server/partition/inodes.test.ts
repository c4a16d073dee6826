import test from 'ava'
import { maxLinkCount } from '../../network/limits.ts'
import { codeOf, openRoom } from '../testing/room.ts'
import { addLink, dropLink, readInode, writeInode } from './inodes.ts'

test('a file has so many names and no more, until it has lost one', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  const context = room.partition.contextFor('me')
  writeInode(context.batch, { ...readInode(context.batch, ino), nlink: maxLinkCount - 1 })
  const full = addLink(context, readInode(context.batch, ino))
  t.is(full.nlink, maxLinkCount)
  t.is(codeOf(t.throws(() => addLink(context, full))), 'EMLINK')
  dropLink(context, full)
  t.is(addLink(context, readInode(context.batch, ino)).nlink, maxLinkCount)
})
