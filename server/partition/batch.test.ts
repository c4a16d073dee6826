/** What the operations stand on: batches, locks and the facts of a partition. */
import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError } from '../../network/errors.ts'
import { inoSequenceLimit } from '../../network/limits.ts'
import { firstSequence, makeIno } from '../../network/wire/ids.ts'
import { ReadLeases } from '../leases/read-leases.ts'
import { factsKey } from '../metadata/keys.ts'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { StoreDouble } from '../testing/store-double.ts'
import { Batch, type BatchInit } from './batch.ts'
import { PartitionFacts } from './facts.ts'
import { KeyLocks, LockedKey } from './key-locks.ts'

const value = Uint8Array.of(1)
const leases = new ReadLeases({ env: new SimulatedEnv({ seed: 1 }), serves: () => true })

function batchOf(init: Pick<BatchInit, 'store' | 'locks'> & Partial<BatchInit>): Batch {
  return new Batch({ leases, intention: 'change', client: 'me', owner: null, ...init })
}

async function setUp(...keys: string[]) {
  const double = new StoreDouble()
  const store = new MetadataStore(double, () => undefined)
  await store.commit(keys.map(key => ({ key, value })))
  return { double, store, locks: new KeyLocks() }
}

test('a batch sees its own writes, and nobody else does', async t => {
  const { store, locks } = await setUp('a', 'b')
  const batch = batchOf({ store, locks })
  t.false(batch.changed)
  batch.put('c', value)
  batch.delete('a')
  t.is(batch.get('a'), undefined)
  t.deepEqual(batch.get('c'), value)
  t.truthy(store.get('a'))
  t.is(store.get('c'), undefined)
  t.true(batch.changed)
  t.deepEqual(
    [...batch.mutations()],
    [
      { key: 'c', value },
      { key: 'a', value: null },
    ],
  )
})

test('a batch knows whether what it read may still be lost', async t => {
  const { double, store, locks } = await setUp('a')
  const batch = batchOf({ store, locks })
  batch.get('a')
  t.false(batch.sawStaged)
  double.hold()
  void store.commit([{ key: 'a', value: null }])
  batch.get('b')
  t.false(batch.sawStaged)
  batch.get('a')
  t.true(batch.sawStaged)
  double.release()
})

test('a transaction depends on all that it read or wrote, also on what is not there', async t => {
  const { store, locks } = await setUp('a')
  const batch = batchOf({ store, locks, owner: 'me' })
  batch.get('a')
  batch.get('missing')
  batch.put('b', value)
  batch.get('b')
  batch.delete('c')
  t.deepEqual([...new Set(batch.touched())].sort(), ['a', 'b', 'c', 'missing'])
  const ordinary = batchOf({ store, locks })
  ordinary.get('a')
  t.deepEqual([...ordinary.touched()], [])
})

test('locked keys are open to their owner only, for reading and for writing', async t => {
  const { store, locks } = await setUp('a')
  locks.acquire(['a', 'b'], 'me')
  const own = batchOf({ store, locks, owner: 'me' })
  t.notThrows(() => own.put('a', own.get('a')!))
  for (const batch of [batchOf({ store, locks }), batchOf({ store, locks, owner: 'you' })]) {
    t.throws(() => batch.get('a'), { instanceOf: LockedKey })
    t.throws(() => batch.put('b', value), { instanceOf: LockedKey })
    t.throws(() => batch.delete('b'), { instanceOf: LockedKey })
    t.notThrows(() => batch.get('c'))
  }
})

test('who only looks sees keys about which nothing is decided, and waits for promised ones', async t => {
  const { store, locks } = await setUp('a')
  locks.acquire(['a'], 'me', 'undecided')
  locks.acquire(['b'], 'me', 'promised')
  const looking = batchOf({ store, locks, intention: 'look' })
  t.notThrows(() => looking.get('a'))
  t.throws(() => looking.get('b'), { instanceOf: LockedKey })
  t.throws(() => batchOf({ store, locks }).get('a'), { instanceOf: LockedKey })
  t.false(locks.isPromised('a'))
  t.notThrows(() => locks.checkPrefix('a'))
  t.throws(() => locks.checkPrefix('b'), { instanceOf: LockedKey })
})

test('who waits for a key is told when all keys let go with it are free', async t => {
  const locks = new KeyLocks()
  locks.acquire(['a'], 'me')
  locks.acquire(['a', 'b'], 'me')
  t.is(locks.size, 2)
  const met = t.throws(() => locks.check('b', null), { instanceOf: LockedKey })!
  const free = met.released.then(() => locks.size)
  locks.release(['a', 'b', 'c'], 'you')
  t.is(locks.size, 2)
  locks.release(['b', 'a'], 'me')
  t.is(await free, 0)
  t.notThrows(() => locks.check('a', null))
})

test('a key that somebody holds stays theirs', t => {
  const locks = new KeyLocks()
  locks.acquire(['a'], 'me')
  locks.acquire(['a', 'b'], 'you')
  locks.release(['a', 'b'], 'you')
  t.true(locks.isPromised('a'))
  t.false(locks.isPromised('b'))
})

test('a prefix is free when no key that begins so is promised', t => {
  const locks = new KeyLocks()
  locks.acquire(['abc'], 'me')
  t.throws(() => locks.checkPrefix('ab'), { instanceOf: LockedKey })
  t.notThrows(() => locks.checkPrefix('abcd'))
  t.notThrows(() => locks.checkPrefix('b'))
})

test('a partition gives each inode number once, also after a restart', async t => {
  const { store } = await setUp()
  const facts = new PartitionFacts(5, store)
  t.is(facts.allocateIno(), makeIno(5, firstSequence))
  t.is(facts.allocateIno(), makeIno(5, firstSequence + 1))
  facts.add({ inodes: 2, blocks: 3, blockBytes: 400 })
  await store.commit(facts.mutations())
  t.deepEqual([...facts.mutations()], [])
  const again = new PartitionFacts(5, store)
  t.is(again.allocateIno(), makeIno(5, firstSequence + 2))
  t.deepEqual([again.inodes, again.blocks, again.blockBytes], [2, 3, 400])
  again.add({ inodes: -1, blocks: 0, blockBytes: 0 })
  t.is(again.inodes, 1)
})

test('counts that do not change leave nothing to write', async t => {
  const { store } = await setUp()
  const facts = new PartitionFacts(0, store)
  facts.add({ inodes: 0, blocks: 0, blockBytes: 0 })
  t.deepEqual([...facts.mutations()], [])
})

test('a partition without numbers left says so', async t => {
  const { store } = await setUp()
  const facts = new PartitionFacts(0, store)
  facts.allocateIno()
  const [{ key, value: record }] = [...facts.mutations()] as [{ key: string; value: Uint8Array }]
  new DataView(record.buffer).setFloat64(0, inoSequenceLimit, true)
  await store.commit([{ key, value: record }])
  const full = new PartitionFacts(0, store)
  t.throws(() => full.allocateIno(), { instanceOf: ClusterError, message: /INTERNAL/ })
})

test('the record of another version is refused', async t => {
  const { store } = await setUp()
  await store.commit([{ key: factsKey(5), value: new Uint8Array(32) }])
  t.throws(() => new PartitionFacts(5, store), { code: 'MALFORMED', message: /partition 5/ })
})
