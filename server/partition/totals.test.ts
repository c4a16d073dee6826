/** What the directory's own partition knows of its shards, message by message. */
import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import { gatherHoldMs } from '../../network/limits.ts'
import { partitionsOf } from '../../network/placement/shards.ts'
import { makeIno } from '../../network/wire/ids.ts'
import type { ShardTotalsReply } from '../../network/wire/operations.ts'
import { LeasedKey } from '../leases/read-leases.ts'
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
  const init = { incarnation: 'home', env: room.env, peers, partitionCount }
  const totals = new DirectoryTotals(limit === undefined ? init : { ...init, limit })
  const batch = () => room.partition.contextFor('', null, 'look').batch
  const size = (of = inode()) => totals.merged(batch(), of).size
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
  /** As a shard tells it. */
  const tell = (news: ShardTotalsReply) =>
    totals.isNews(ino, away!, news) ? totals.learn(ino, away!, news) : true
  return { env: room.env, totals, batch, asked, size, waiting, tell }
}

test('shards are asked once, and then told of', async t => {
  const { asked, size, waiting, tell } = await makeHome()
  const first = waiting()
  const second = waiting()
  t.deepEqual(
    asked.map(({ partition }) => partition),
    [away],
  )
  asked[0]!.answer.resolve(told(7, 3))
  await Promise.all([first, second])
  t.is(size(), 3)
  t.is(size(), 3)
  t.true(tell(told(8, 4)))
  t.is(size(), 4)
  t.true(tell(told(8, 4)))
  t.is(size(), 4)
  t.is(asked.length, 1)
})

test('an older message has a shard asked: what was newer may have been lost', async t => {
  const { asked, size, waiting, tell } = await makeHome()
  const asking = waiting()
  asked[0]!.answer.resolve(told(7, 3))
  await asking
  t.is(size(), 3)
  t.is(size(), 3)
  t.false(tell(told(6, 2)))
  const again = waiting()
  asked[1]!.answer.resolve(told(6, 2))
  await again
  t.is(size(), 2)
})

test('a shard that changes while nobody wants to know is asked by the next who does', async t => {
  const { asked, size, waiting, tell } = await makeHome()
  const asking = waiting()
  asked[0]!.answer.resolve(told(7, 3))
  await asking
  t.is(size(), 3)
  t.false(tell(told(8, 4)), 'only who had it asked has wanted to know')
  t.false(tell(told(9, 5)))
  const again = waiting()
  asked[1]!.answer.resolve(told(9, 5))
  await again
  t.is(size(), 5)
  t.is(size(), 5)
  t.true(tell(told(10, 6)))
  t.false(tell(told(11, 7)))
  void waiting().catch(() => undefined)
  t.is(asked.length, 3)
})

test('what is answered does not count when the shard has told of a change meanwhile', async t => {
  const { asked, size, waiting, tell } = await makeHome()
  const asking = waiting()
  t.false(tell(told(8, 4)))
  asked[0]!.answer.resolve(told(7, 3))
  await asking
  const again = waiting()
  asked[1]!.answer.resolve(told(8, 4))
  await again
  t.is(size(), 4)
})

test('an answer from before a doubt does not count', async t => {
  const { totals, asked, size, waiting, tell } = await makeHome()
  const asking = waiting()
  totals.doubt(ino, [away!])
  asked[0]!.answer.resolve(told(7, 3))
  await asking
  const again = waiting()
  asked[1]!.answer.resolve(told(8, 9))
  await again
  t.is(size() + size(), 18)
  totals.doubt(ino, [away!])
  t.false(tell(told(9, 10)), 'not kept by itself')
  void waiting().catch(() => undefined)
  t.is(asked.length, 3)
})

test('a message of another life of the server has it asked', async t => {
  for (const change of [5, 900]) {
    const { asked, size, waiting, tell } = await makeHome()
    const asking = waiting()
    asked[0]!.answer.resolve(told(700, 3))
    await asking
    t.is(size() + size(), 6)
    t.false(tell(told(change, 2, { incarnation: 'second' })))
    const again = waiting()
    asked[1]!.answer.resolve(told(change, 2, { incarnation: 'second' }))
    await again
    t.is(size() + size(), 4)
    t.false(tell(told(change, 1)))
    const third = waiting()
    asked[2]!.answer.resolve(told(change + 1, 1, { incarnation: 'second' }))
    await third
    t.is(size(), 1)
  }
})

test('who tells of a change waits for those who are asking what all count, and they see what was', async t => {
  const { env, totals, asked, size, waiting, tell } = await makeHome()
  await env.during(totals.gathered(ino))
  const seen: number[] = []
  const looking = waiting().then(async () => {
    // However many promises lie between.
    for (let index = 0; index < 20; index++) await null
    seen.push(size(), size())
  })
  const gathered = totals.gathered(ino).then(() => tell(told(8, 4)))
  asked[0]!.answer.resolve(told(7, 3))
  await looking
  t.deepEqual(seen, [3, 3])
  await env.advance(0)
  t.true(await gathered)
  t.is(size(), 4)
})

test('nobody waits long for who is asking a shard that is silent', async t => {
  const { env, totals, waiting } = await makeHome()
  void waiting().catch(() => undefined)
  let ended = false
  const gathered = totals.gathered(ino).then(() => {
    ended = true
  })
  await env.advance(gatherHoldMs - 1)
  t.false(ended)
  await env.advance(1)
  await gathered
  t.true(ended)
})

test('what was forgotten is not asked again while somebody has a lease on what it was', async t => {
  const { env, totals, asked, batch } = await makeHome()
  const leased = Object.assign(batch(), {
    assertUnleased: (key: string) => {
      throw new LeasedKey(key, env.timers.sleep(10))
    },
  })
  t.throws(() => totals.merged(leased, inode()), { instanceOf: LeasedKey })
  t.is(asked.length, 0)
  void t.throws(() => totals.merged(batch(), inode()), { instanceOf: LockedKey })
  totals.doubt(ino, [away!])
  const locked = t.throws(() => totals.merged(leased, inode()))
  t.false(locked instanceof LeasedKey, 'it was doubted when nobody had one')
})

test('nobody can have a lease on what all shards count between a doubt and the next who is shown it', async t => {
  const { totals, asked, size, waiting, tell } = await makeHome(1)
  t.true(totals.mayBeLeased(ino), 'nothing is known')
  const asking = waiting()
  asked[0]!.answer.resolve(told(7, 3))
  await asking
  t.is(size(), 3)
  t.true(totals.mayBeLeased(ino))
  tell(told(8, 4))
  t.false(totals.mayBeLeased(ino))
  tell(told(9, 5))
  const again = waiting()
  t.false(totals.mayBeLeased(ino))
  asked[1]!.answer.resolve(told(9, 5))
  await again
  t.is(size(), 5)
  t.true(totals.mayBeLeased(ino))
  totals.doubt(ino, [away!])
  t.false(totals.mayBeLeased(ino))
  void waiting(inode({ ino: makeIno(0, 501) })).catch(() => undefined)
  t.true(totals.mayBeLeased(ino), 'it was forgotten')
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
  const { asked, waiting, tell } = await makeHome(1)
  const asking = waiting()
  asked[0]!.answer.resolve(told(7, 3))
  await asking
  const other = inode({ ino: makeIno(0, 501) })
  void waiting(other).catch(() => undefined)
  t.false(tell(told(8, 4)))
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
