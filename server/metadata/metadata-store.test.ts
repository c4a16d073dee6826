import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { lazyCommitMs } from '../../network/limits.ts'
import { StoreDouble } from '../testing/store-double.ts'
import { keysIn, plain, stepsIn } from './compliance.ts'
import type { KeyMutation } from './contract.ts'
import { MetadataStore } from './metadata-store.ts'

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const double = new StoreDouble()
  const failures: Error[] = []
  const store = new MetadataStore(double, error => failures.push(error), env.timers)
  return { env, double, store, failures }
}

const put = (key: string, byte = 1): KeyMutation => ({ key, value: Uint8Array.of(byte) })
const del = (key: string): KeyMutation => ({ key, value: null })

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const done = () => {
    settled = true
  }
  promise.then(done, done)
  await turn()
  return settled
}

test('what is staged is seen at once, over what is being written, over what is stored', async t => {
  const { double, store } = setUp()
  await store.commit([put('a', 1)])
  t.false(store.isStaged('a'))
  double.hold()
  const second = store.commit([put('a', 2), put('b', 2)])
  await turn()
  t.deepEqual(plain(store.get('a')), [2])
  store.commit([put('a', 3), del('b')])
  t.deepEqual(plain(store.get('a')), [3])
  t.is(store.get('b'), undefined)
  t.true(store.isStaged('a') && store.isStaged('b'))
  t.false(store.isStaged('c'))
  double.releaseOne()
  await second
  t.deepEqual(plain(store.get('a')), [3])
  t.true(store.isStaged('a'))
  double.release()
  await store.settled()
  t.deepEqual(plain(double.get('a')), [3])
  t.is(double.get('b'), undefined)
  t.false(store.isStaged('a'))
})

test('what nobody waits for waits a moment for more, and no longer than somebody does', async t => {
  const { env, double, store } = setUp()
  const lazy = [store.commit([put('a', 1)], true), store.commit([put('a', 2)], true)]
  t.deepEqual(plain(store.get('a')), [2])
  t.false(await isSettled(lazy[1]!))
  t.is(double.get('a'), undefined)
  await env.advance(lazyCommitMs)
  await Promise.all(lazy)
  t.deepEqual(plain(double.get('a')), [2])
  for (const wait of [() => store.commit([put('c')]), () => store.settled(), () => store.sync()]) {
    const left = store.commit([put('b')], true)
    t.false(await isSettled(left))
    await wait()
    t.true(await isSettled(left))
  }
  double.hold()
  const first = store.commit([put('d')])
  await turn()
  const second = store.commit([put('e')], true)
  double.release()
  await first
  t.false(await isSettled(second))
  await env.advance(lazyCommitMs)
  await second
})

test('commits of one tick and those that come while a batch is written are one batch each', async t => {
  const { double, store } = setUp()
  double.hold()
  const first = [store.commit([put('a')]), store.commit([put('b')])]
  await turn()
  t.is(double.heldCount, 1)
  const second = [store.commit([put('c')]), store.commit([put('d')])]
  await turn()
  t.is(double.heldCount, 1)
  double.releaseOne()
  await Promise.all(first)
  t.false(await isSettled(Promise.race(second)))
  double.release()
  await Promise.all(second)
  const keys = double.written.map(({ mutations }) => mutations.map(({ key }) => key).join(''))
  t.deepEqual(keys, ['ab', 'cd'])
})

test('settled waits for what is staged now, and for nothing later', async t => {
  const { double, store } = setUp()
  await store.settled()
  double.hold()
  store.commit([put('a')])
  await turn()
  const settled = store.settled()
  store.commit([put('b')])
  const later = store.settled()
  double.releaseOne()
  t.true(await isSettled(settled))
  t.false(await isSettled(later))
  double.release()
  await later
})

test('committing nothing waits for what was staged before, not for what may come', async t => {
  const { double, store } = setUp()
  await store.commit([])
  double.hold()
  const written = store.commit([put('a')])
  const nothing = store.commit([])
  await turn()
  t.false(await isSettled(nothing))
  const later = store.commit([])
  double.release()
  await Promise.all([written, nothing, later])
  t.is(double.written.length, 1)
})

test('sync asks the disk once for all that is staged, also when that is nothing', async t => {
  const { double, store } = setUp()
  store.commit([put('a')])
  await store.sync()
  await store.sync()
  await store.commit([put('b')])
  t.deepEqual(
    double.written.map(({ sync }) => sync),
    [true, true, false],
  )
})

test('a sync does not pass the batch that is being written', async t => {
  const { double, store } = setUp()
  double.hold()
  store.commit([put('a')])
  await turn()
  const synced = store.sync()
  double.releaseOne()
  t.false(await isSettled(synced))
  double.release()
  await synced
  t.deepEqual(
    double.written.map(({ sync }) => sync),
    [false, true],
  )
})

test('a range merges what is staged into what is stored, deletions too', async t => {
  const { double, store } = setUp()
  await store.commit(['b', 'd', 'f', 'h'].map(key => put(key)))
  double.hold()
  store.commit([put('a', 2), put('d', 2), del('f'), put('g', 2)])
  await turn()
  store.commit([del('a'), put('c', 3), del('b'), put('i', 3), put('z', 3), del('y')])
  const found: [string, number[] | undefined][] = []
  for await (const [key, value] of store.range('a', 'j')) found.push([key, plain(value)])
  t.deepEqual(found, [
    ['c', [3]],
    ['d', [2]],
    ['g', [2]],
    ['h', [1]],
    ['i', [3]],
  ])
  for (const pairs of [1, 2, 9]) {
    const steps = await stepsIn(store.steps('a', 'j', pairs))
    t.deepEqual(steps.flat(), ['c', 'd', 'g', 'h', 'i'])
    t.true(steps.every(keys => keys.length > 0 && keys.length <= pairs))
  }
  double.release()
  t.deepEqual(await keysIn(store.range('a', 'j')), ['c', 'd', 'g', 'h', 'i'])
})

test('a range is as of the moment of the call, staged and stored alike', async t => {
  const { store } = setUp()
  await store.commit([put('a'), put('c')])
  store.commit([put('b')])
  const range = store.range('a', 'z')
  await store.commit([del('a'), del('b'), del('c'), put('d')])
  t.deepEqual(await keysIn(range), ['a', 'b', 'c'])
})

test('when a batch fails, all that waits and all that comes is refused, and it is said once', async t => {
  const { double, store, failures } = setUp()
  double.hold()
  const written = store.commit([put('a')])
  await turn()
  const waiting = store.commit([put('b')])
  const settled = store.settled()
  double.failWith(new Error('broken'))
  double.release()
  for (const promise of [written, waiting, settled]) {
    await t.throwsAsync(promise, { message: 'broken' })
  }
  for (const later of [() => store.commit([put('c')]), () => store.settled(), () => store.sync()]) {
    t.throws(later, { message: 'broken' })
  }
  t.is(failures.length, 1)
  t.is(double.written.length, 0)
  await t.notThrowsAsync(store.close())
})

test('closing waits for what is staged', async t => {
  const { double, store } = setUp()
  store.commit([put('a')])
  await store.close()
  t.is(double.written.length, 1)
})
