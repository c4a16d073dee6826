/** What is made again is not taken for what it was: clients know things of it by its `change`. */
import test from 'ava'
import { fileType } from '../../network/wire/attributes.ts'
import { makeIno } from '../../network/wire/ids.ts'
import { changeInode, readInode, writeInode } from '../partition/inodes.ts'
import { newInode } from '../partition/new-inode.ts'
import { findHolding, nextChange, writeHolding } from '../partition/shards.ts'
import { openRoom } from '../testing/room.ts'
import { emptyHolding } from '../transactions/shard-legs.ts'
import { checkingLegs } from './legs.ts'

const target = new Uint8Array(0)
const settings = { blockBytes: 65_536, inlineBytes: 0, volume: 0 }
const above = { ...settings, ino: 1, mode: 0, gid: 0, defaultAcl: target }

test('an inode that is made again counts its changes from beyond those it had', async t => {
  const { partition } = await openRoom()
  const context = partition.contextFor('')
  const ino = makeIno(partition.id, 500)
  const mode = fileType.directory | 0o755
  const init = { ino, mode, umask: 0, uid: 0, gid: 0, rdev: 0, target, nowNs: 5n }
  writeInode(context.batch, newInode(above, init))
  for (let changes = 0; changes < 100; changes++)
    changeInode(context, readInode(context.batch, ino), {})
  const before = readInode(context.batch, ino).change
  checkingLegs.rebuildInode(context, {
    ...{ ino, mode, parent: 1, nlink: 2, size: 0, generation: 1, reserved: 0, shards: target },
    ...settings,
  })
  t.true(readInode(context.batch, ino).change > before)
})

test('a record of shards that is made again counts its changes from beyond those it had', async t => {
  const { partition } = await openRoom()
  const context = partition.contextFor('')
  const { batch, facts } = context
  const directory = { ...above, ino: makeIno(partition.id + 1, 500) }
  let change = 0
  for (let changes = 0; changes < 100; changes++) {
    change = nextChange(facts, { ...emptyHolding(directory), change })
  }
  const shards = [{ first: 0, end: 1, entries: 0 }]
  checkingLegs.recountShards(context, { directory, shards, subdirectories: 0 })
  const made = findHolding(batch, facts.partition, directory.ino)
  t.true(made!.change > change)
  writeHolding(batch, facts.partition, { ...made!, change: made!.change + 1 })
  checkingLegs.recountShards(context, { directory, shards, subdirectories: 0 })
  t.is(findHolding(batch, facts.partition, directory.ino)?.change, made!.change + 2)
})
