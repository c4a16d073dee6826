import test from 'ava'
import type { Attributes } from '../../network/wire/attributes.ts'
import { makeIno } from '../../network/wire/ids.ts'
import { OpenInodes } from './open-inodes.ts'
import { PageRecords } from './page-records.ts'
import { type BlockPieces, FetchedBlocks, ReadAhead, ReadAheadBudget } from './read-ahead.ts'
import { Turns } from './turns.ts'

const blockBytes = 65_536

function attributes(changes: Partial<Attributes>): Attributes {
  return {
    ino: makeIno(3, 20),
    mode: 0o100644,
    nlink: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    size: 100 * blockBytes,
    atimeNs: 0n,
    mtimeNs: 0n,
    ctimeNs: 0n,
    change: 1,
    generation: 1,
    cuts: 0,
    reach: 0,
    blockBytes,
    inlineBytes: 4096,
    xattrFlags: 0,
    allocated: 0,
    ...changes,
  }
}

test('attributes move forward only, and inline data goes with its own', t => {
  const inodes = new OpenInodes()
  const inode = inodes.acquire(attributes({ change: 5 }))
  inode.learnInline(attributes({ change: 5 }), Buffer.from('abc'))
  t.is(inodes.learn(attributes({ change: 4, size: 1 })).change, 5)
  t.is(inode.inline?.length, 3)
  inode.learnInline(attributes({ change: 4 }), Buffer.from('older'))
  t.is(inode.inline?.length, 3)
  inode.learn(attributes({ change: 6 }))
  t.is(inode.inline, null)
})

test('a reservation is learnt though it is no change', t => {
  const inode = new OpenInodes().acquire(attributes({ change: 5, reach: 2 }))
  inode.learn(attributes({ change: 5, reach: 9 }))
  t.is(inode.attributes.reach, 9)
  inode.learn(attributes({ change: 5, reach: 3 }))
  t.is(inode.attributes.reach, 9)
})

test('a later access time is learnt though it is no change, an earlier one is not', t => {
  const inode = new OpenInodes().acquire(attributes({ change: 5, reach: 2, atimeNs: 10n }))
  inode.learn(attributes({ change: 5, reach: 1, atimeNs: 20n }))
  t.like(inode.attributes, { reach: 2, atimeNs: 20n })
  inode.learn(attributes({ change: 5, reach: 3, atimeNs: 10n }))
  t.like(inode.attributes, { reach: 3, atimeNs: 20n })
  inode.learn(attributes({ change: 6, reach: 3, atimeNs: 5n }))
  t.like(inode.attributes, { atimeNs: 5n })
})

test('an inode that went away is not handed to those who open it again', t => {
  const inodes = new OpenInodes()
  const gone = inodes.acquire(attributes({}))
  inodes.wentAway(gone)
  t.true(gone.gone)
  const again = inodes.acquire(attributes({}))
  t.not(again, gone)
  inodes.release(gone)
  t.is(inodes.get(again.ino), again)
})

test('page records are bounded: the oldest goes, and costs only a cache', t => {
  const pages = new PageRecords(2)
  const [a, b, c] = [1, 2, 3].map(ino => attributes({ ino }))
  for (const one of [a!, b!, c!]) t.false(pages.opened(one))
  t.false(pages.mayKeep(a!))
  t.true(pages.mayKeep(c!))
  pages.changedHere(attributes({ ino: 3, change: 3 }), 2)
  t.false(pages.mayKeep(attributes({ ino: 3, change: 3 })))
  pages.changedHere(attributes({ ino: 3, change: 2 }), 1)
  t.true(pages.mayKeep(attributes({ ino: 3, change: 2 })))
})

test('a new file has no pages to be dropped, and pages in doubt are dropped at the next open', t => {
  const pages = new PageRecords()
  const one = attributes({ ino: 1 })
  pages.made(one)
  t.true(pages.opened(one))
  pages.doubt(1)
  t.false(pages.areKept(one))
  t.false(pages.opened(one))
})

test('pages are kept again when all who were to drop them have done so', t => {
  const pages = new PageRecords()
  const one = attributes({ ino: 1 })
  t.false(pages.opened(one))
  t.false(pages.opened(one), 'the first one may be at it still')
  pages.dropped(1)
  t.true(pages.mayKeep(one))
  t.false(pages.areKept(one))
  t.false(pages.opened(one))
  pages.dropped(1)
  pages.dropped(1)
  t.true(pages.opened(one))
  t.true(pages.opened(one))
  t.false(pages.opened({ ...one, change: 2 }))
})

test('pages that were dropped are true until another client changes the file', t => {
  const pages = new PageRecords()
  pages.opened(attributes({ change: 1 }))
  t.false(pages.areTrue(attributes({ change: 1 })), 'they may be about to go')
  pages.invalidated(attributes({ change: 1 }))
  pages.changedHere(attributes({ change: 2 }), 1)
  t.true(pages.areTrue(attributes({ change: 2 })))
  pages.changedHere(attributes({ change: 4 }), 3)
  t.false(pages.areTrue(attributes({ change: 4 })))
  pages.invalidated(attributes({ change: 4 }))
  pages.forget(makeIno(3, 20))
  t.false(pages.areTrue(attributes({ change: 4 })))
})

test('writers that may change the size wait for all, and none is overtaken', async t => {
  const turns = new Turns()
  const order: string[] = []
  t.is(turns.enter(true), undefined)
  t.is(turns.enter(true), undefined)
  const exclusive = turns.enter(false)?.then(() => order.push('exclusive'))
  const shared = turns.enter(true)?.then(() => order.push('shared'))
  turns.leave(true)
  await Promise.resolve()
  t.deepEqual(order, [])
  turns.leave(true)
  await exclusive
  t.deepEqual(order, ['exclusive'])
  turns.leave(false)
  await shared
  turns.leave(true)
  t.is(turns.enter(false), undefined)
})

test('nothing is fetched ahead for a random reader, within the budget for a sequential one', async t => {
  const fetched: number[] = []
  const fetch = async (block: number): Promise<BlockPieces> => {
    fetched.push(block)
    return [new Uint8Array(blockBytes)]
  }
  const file = attributes({})
  const random = new ReadAhead(new ReadAheadBudget(), new FetchedBlocks())
  for (const block of [50, 3, 80, 20]) {
    random.advance(file, block * blockBytes, block * blockBytes + 10, fetch)
  }
  t.deepEqual(fetched, [])
  const budget = new ReadAheadBudget(3 * blockBytes)
  const ahead = new ReadAhead(budget, new FetchedBlocks())
  for (let block = 0; block < 8; block++) {
    ahead.advance(file, block * blockBytes, (block + 1) * blockBytes, fetch)
  }
  t.deepEqual(fetched, [...new Set(fetched)])
  t.true(fetched.length >= 6 && fetched.length <= 10, String(fetched))
  ahead.drop()
  t.true(budget.take(3 * blockBytes))
})

test('what was fetched under an older state of the file is not given out', async t => {
  const ahead = new ReadAhead(new ReadAheadBudget(), new FetchedBlocks())
  const fetch = async (): Promise<BlockPieces> => [new Uint8Array(blockBytes)]
  const before = attributes({ change: 1 })
  for (let block = 0; block < 3; block++) {
    ahead.advance(before, block * blockBytes, (block + 1) * blockBytes, fetch)
  }
  t.not(ahead.get(before, 3), undefined)
  t.is(ahead.get(attributes({ change: 2 }), 3), undefined)
  t.is(ahead.get(before, 3), undefined)
})

test('what one open file has fetched is given to others of the inode, and held until the last lets go', t => {
  const budget = new ReadAheadBudget(8 * blockBytes)
  const ofInode = new FetchedBlocks()
  const fetched: number[] = []
  const fetch = async (block: number): Promise<BlockPieces> => {
    fetched.push(block)
    return null
  }
  const [first, second] = [new ReadAhead(budget, ofInode), new ReadAhead(budget, ofInode)]
  for (let block = 0; block < 4; block++) {
    for (const ahead of [first, second]) {
      ahead.advance(attributes({}), block * blockBytes, (block + 1) * blockBytes, fetch)
    }
  }
  t.deepEqual(fetched, [...new Set(fetched)])
  t.true(fetched.length > 4, String(fetched))
  first.close()
  t.not(second.get(attributes({}), 4), undefined)
  second.close()
  t.is(second.get(attributes({}), 4), undefined)
  t.true(budget.take(8 * blockBytes))
})

test('a read that outlasts its file fetches nothing ahead for it', t => {
  const budget = new ReadAheadBudget(3 * blockBytes)
  const ahead = new ReadAhead(budget, new FetchedBlocks())
  const fetch = async (): Promise<BlockPieces> => null
  ahead.advance(attributes({}), 0, blockBytes, fetch)
  ahead.close()
  for (let block = 1; block < 4; block++) {
    ahead.advance(attributes({}), block * blockBytes, (block + 1) * blockBytes, fetch)
  }
  t.true(budget.take(3 * blockBytes))
})

test('a failed fetch is forgotten, so that the reader asks itself', async t => {
  const budget = new ReadAheadBudget(blockBytes)
  const ahead = new ReadAhead(budget, new FetchedBlocks())
  const fetch = async (): Promise<BlockPieces> => {
    throw new Error('broken')
  }
  ahead.advance(attributes({}), 0, blockBytes, fetch)
  ahead.advance(attributes({}), blockBytes, 2 * blockBytes, fetch)
  await new Promise(resolve => setImmediate(resolve))
  t.is(ahead.get(attributes({}), 2), undefined)
  t.true(budget.take(blockBytes))
})
