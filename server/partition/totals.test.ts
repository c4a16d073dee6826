/** What the directory's own partition knows of its shards, message by message. */
import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import { partitionsOf } from '../../network/placement/shards.ts'
import { makeIno } from '../../network/wire/ids.ts'
import type { ShardTotalsReply } from '../../network/wire/operations.ts'
import { never } from '../metadata/holding.ts'
import type { Inode } from '../metadata/inode.ts'
import type { Peers } from '../peers.ts'
import { openRoom } from '../testing/room.ts'
import { LockedKey } from './key-locks.ts'
import { newInode } from './new-inode.ts'
import { DirectoryTotals } from './totals.ts'

const partitionCount = 256
const ino = makeIno(0, 500)
const shards = Uint8Array.from([0, 32])
const [, away] = [...partitionsOf(ino, shards, partitionCount)]

function inode(more: Partial<Inode> = {}): Inode {
  const settings = { blockBytes: 65_536, inlineBytes: 0, defaultAcl: new Uint8Array(0) }
  const parent = { ino: 1, mode: 0, gid: 0, volume: 0, ...settings }
  const init = { ino, mode: 0o40755, umask: 0, uid: 0, gid: 0, rdev: 0, nowNs: 50n }
  return { ...newInode(parent, { ...init, target: new Uint8Array(0) }), shards, ...more }
}

function told(change: number, entries: number, more: Partial<ShardTotalsReply> = {}) {
  const totals = { change, mtimeNs: never, ctimeNs: never, entries, subdirectories: 0 }
  return { incarnation: 'first', totals, ...more }
}

/** A home whose questions wait until the test answers them. */
async function makeHome(limit?: number) {
  const room = await openRoom()
  const asked: { readonly partition: number; answer: PromiseWithResolvers<ShardTotalsReply> }[] = []
  const call = async (_: string, partition: number) => {
    const answer = Promise.withResolvers<ShardTotalsReply>()
    asked.push({ partition, answer })
    return { body: await answer.promise, payload: [] }
  }
  const peers = { call } as unknown as Pick<Peers, 'call'>
  const init = { incarnation: 'home', peers, partitionCount }
  const totals = new DirectoryTotals(limit === undefined ? init : { ...init, limit })
  const size = (of = inode()) =>
    totals.merged(room.partition.contextFor('', null, 'look').batch, of).size
  /** Resolves when what was asked has been answered. */
  const waiting = (of = inode()) => {
    try {
      size(of)
    } catch (error) {
      if (error instanceof LockedKey) return error.released
      throw error
    }
    throw new Error('nothing has to be asked')
  }
  return { totals, asked, size, waiting }
}

test('shards are asked once, and then told of', async t => {
  const { totals, asked, size, waiting } = await makeHome()
  const first = waiting()
  const second = waiting()
  t.deepEqual(
    asked.map(({ partition }) => partition),
    [away],
  )
  asked[0]!.answer.resolve(told(7, 3))
  await Promise.all([first, second])
  t.is(size(), 3)
  totals.learn(ino, away!, told(8, 4))
  t.is(size(), 4)
  totals.learn(ino, away!, told(6, 2))
  t.is(size(), 4, 'an older message that comes late changes nothing')
})

test('what is told while a shard is asked counts when it is newer', async t => {
  const { totals, asked, size, waiting } = await makeHome()
  const asking = waiting()
  totals.learn(ino, away!, told(9, 5))
  totals.learn(ino, away!, told(8, 4))
  asked[0]!.answer.resolve(told(7, 3))
  await asking
  t.is(size(), 5)
})

test('an answer from before a doubt does not count', async t => {
  const { totals, asked, size, waiting } = await makeHome()
  const asking = waiting()
  totals.doubt(ino, [away!])
  asked[0]!.answer.resolve(told(7, 3))
  await asking
  const again = waiting()
  totals.learn(ino, away!, told(7, 3))
  asked[1]!.answer.resolve(told(8, 9))
  await again
  t.is(size(), 9)
})

test('a message of another life of the server has it asked', async t => {
  const { totals, asked, size, waiting } = await makeHome()
  const asking = waiting()
  asked[0]!.answer.resolve(told(700, 3))
  await asking
  totals.learn(ino, away!, told(5, 2, { incarnation: 'second' }))
  const again = waiting()
  asked[1]!.answer.resolve(told(5, 2, { incarnation: 'second' }))
  await again
  t.is(size(), 2)
  totals.learn(ino, away!, told(800, 1))
  const third = waiting()
  asked[2]!.answer.resolve(told(6, 1, { incarnation: 'second' }))
  await third
  t.is(size(), 1)
})

test('an answer that comes later than a message of another life of the server does not count', async t => {
  const { totals, asked, size, waiting } = await makeHome()
  const asking = waiting()
  totals.learn(ino, away!, told(5, 2, { incarnation: 'second' }))
  asked[0]!.answer.resolve(told(700, 3))
  await asking
  const again = waiting()
  asked[1]!.answer.resolve(told(5, 2, { incarnation: 'second' }))
  await again
  t.is(size(), 2)
})

test('news are what was not told yet, of any life of the server', async t => {
  const { totals, asked, waiting } = await makeHome()
  t.true(totals.isNews(ino, away!, told(7, 3)), 'nothing was told')
  const asking = waiting()
  asked[0]!.answer.resolve(told(7, 3))
  await asking
  t.false(totals.isNews(ino, away!, told(7, 3)))
  t.true(totals.isNews(ino, away!, told(8, 3)))
  t.true(totals.isNews(ino, away!, told(7, 3, { incarnation: 'second' })))
})

test('a shard that cannot be asked is asked again by the next who wants to know', async t => {
  const { asked, size, waiting } = await makeHome()
  const asking = waiting()
  asked[0]!.answer.reject(new Error('away'))
  await t.throwsAsync(asking, { message: 'away' })
  // It is that server that is silent, not this one, which the client asked.
  const second = waiting()
  asked[1]!.answer.reject(new ClusterError('TIMEOUT', 'silent'))
  await t.throwsAsync(second, { code: 'NOT_READY' })
  const again = waiting()
  asked[2]!.answer.resolve(told(1, 1))
  await again
  t.is(size(), 1)
})

test('what is forgotten for want of room is asked again', async t => {
  const { totals, asked, waiting } = await makeHome(1)
  const asking = waiting()
  asked[0]!.answer.resolve(told(7, 3))
  await asking
  const other = inode({ ino: makeIno(0, 501) })
  void waiting(other).catch(() => undefined)
  totals.learn(ino, away!, told(8, 4))
  void waiting().catch(() => undefined)
  t.is(asked.length, 3)
})

test('times are the latest of all, counts and changes their sum', async t => {
  const { totals, asked, waiting } = await makeHome()
  const asking = waiting()
  const late = { change: 7, mtimeNs: 90n, ctimeNs: 40n, entries: 3, subdirectories: 2 }
  asked[0]!.answer.resolve({ incarnation: 'first', totals: late })
  await asking
  const room = await openRoom()
  const whole = totals.merged(room.partition.contextFor('', null, 'look').batch, inode())
  t.like(whole, { size: 3, nlink: 4, change: 8, mtimeNs: 90n, ctimeNs: 50n })
})
