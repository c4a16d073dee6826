import test from 'ava'
import { StoreDouble } from '../testing/store-double.ts'
import { keyValueCompliance, plain } from './compliance.ts'
import type { Key, KeyMutation, KeyValueStore, Pair } from './contract.ts'
import { RecordCache } from './record-cache.ts'

/** A store that tells what was read of it, and fails when it is told to. */
class Watched implements KeyValueStore {
  readonly #store = new StoreDouble()
  readonly reads: Key[] = []
  failing = false

  get(key: Key): Uint8Array | undefined {
    this.reads.push(key)
    return this.#store.get(key)
  }

  async batch(mutations: readonly KeyMutation[], options: { sync: boolean }): Promise<void> {
    if (this.failing) throw new Error('no disk')
    await this.#store.batch(mutations, options)
  }

  begins(): void {}

  range(from: Key, to: Key): AsyncIterable<Pair> {
    return this.#store.range(from, to)
  }

  steps(from: Key, to: Key, pairs: number): AsyncIterable<readonly Pair[]> {
    return this.#store.steps(from, to, pairs)
  }

  compact(): Promise<void> {
    return this.#store.compact()
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}

const noSync = { sync: false }

keyValueCompliance(test, 'cached', async () => new RecordCache(new StoreDouble(), 4))

test('what has begun is not looked for, and is there when it was written', async t => {
  const store = new Watched()
  const cache = new RecordCache(store)
  cache.begins('a')
  t.is(cache.get('a'), undefined)
  await cache.batch([{ key: 'a', value: Uint8Array.of(1) }], noSync)
  t.deepEqual(plain(cache.get('a')), [1])
  t.deepEqual(store.reads, [])
})

test('a record is read once, also one that is not there, and not at all when it was written', async t => {
  const watched = new Watched()
  const cache = new RecordCache(watched)
  await watched.batch([{ key: 'a', value: Uint8Array.of(1) }], noSync)
  for (let i = 0; i < 2; i++) {
    t.deepEqual(plain(cache.get('a')), [1])
    t.is(cache.get('b'), undefined)
  }
  t.deepEqual(watched.reads, ['a', 'b'])
  await cache.batch([{ key: 'b', value: Uint8Array.of(2) }], noSync)
  await cache.batch([{ key: 'a', value: null }], noSync)
  t.deepEqual(plain(cache.get('b')), [2])
  t.is(cache.get('a'), undefined)
  t.deepEqual(watched.reads, ['a', 'b'])
})

test('what was read while a batch was being written is not taken for what it wrote', async t => {
  const below = new StoreDouble(new Map([['a', Uint8Array.of(1)]]))
  const cache = new RecordCache(below)
  below.hold()
  const written = cache.batch([{ key: 'a', value: Uint8Array.of(2) }], noSync)
  t.deepEqual(plain(cache.get('a')), [1])
  below.release()
  await written
  t.deepEqual(plain(cache.get('a')), [2])
})

test('a long record is not kept, nor the short one that it replaced', async t => {
  const watched = new Watched()
  const cache = new RecordCache(watched)
  await cache.batch([{ key: 'a', value: Uint8Array.of(1) }], noSync)
  await cache.batch([{ key: 'a', value: new Uint8Array(5000) }], noSync)
  t.is(cache.get('a')?.length, 5000)
  t.is(cache.get('a')?.length, 5000)
  t.deepEqual(watched.reads, ['a', 'a'])
})

test('a batch that fails leaves nothing kept', async t => {
  const watched = new Watched()
  const cache = new RecordCache(watched)
  await cache.batch([{ key: 'a', value: Uint8Array.of(1) }], noSync)
  watched.failing = true
  await t.throwsAsync(cache.batch([{ key: 'a', value: Uint8Array.of(2) }], noSync))
  t.deepEqual(plain(cache.get('a')), [1])
  t.deepEqual(watched.reads, ['a'])
})

test('what is used stays, what is not goes', t => {
  const watched = new Watched()
  const cache = new RecordCache(watched, 8)
  for (let i = 0; i < 100; i++) {
    cache.get('used')
    cache.get(`other ${i}`)
  }
  t.is(watched.reads.filter(key => key === 'used').length, 1)
  cache.get('other 0')
  t.is(watched.reads.filter(key => key === 'other 0').length, 2)
})
