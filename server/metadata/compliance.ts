/** What every key-value store must do: run against each implementation. */
import type { ExecutionContext, TestFn } from 'ava'
import type { Key, KeyReader, KeyValueStore, Pair } from './contract.ts'

export function keyValueCompliance(
  test: TestFn,
  name: string,
  open: (t: ExecutionContext) => Promise<KeyValueStore>,
): void {
  const claim = (title: string, body: (t: ExecutionContext, s: KeyValueStore) => Promise<void>) =>
    test(`${name}: ${title}`, async t => {
      const store = await open(t)
      await body(t, store)
    })
  const noSync = { sync: false }

  claim('gives what was put, and nothing else', async (t, store) => {
    t.is(store.get('a'), undefined)
    const value = Uint8Array.of(0, 255, 1)
    await store.batch([{ key: 'a', value }], noSync)
    t.deepEqual(plain(store.get('a')), [0, 255, 1])
    await store.batch([{ key: 'a', value: new Uint8Array(0) }], noSync)
    t.deepEqual(plain(store.get('a')), [])
    await store.batch([{ key: 'a', value: null }], { sync: true })
    t.is(store.get('a'), undefined)
    await t.notThrowsAsync(store.batch([], noSync))
  })

  claim('orders keys as their bytes, and takes any byte', async (t, store) => {
    const keys = ['\xff\xff', '\x7f', '\x80', '\x00', 'b', 'a\x00', 'a', 'a\xff', '\xff']
    await put(store, keys)
    t.deepEqual(await keysIn(store.range('\x00', '\xff\xff\xff')), [...keys].sort(byBytes))
    for (const key of keys) t.deepEqual(plain(store.get(key)), [1])
  })

  claim('a range has its first key and not its last', async (t, store) => {
    await put(store, ['a', 'b', 'c', 'd'])
    t.deepEqual(await keysIn(store.range('b', 'd')), ['b', 'c'])
    t.deepEqual(await keysIn(store.range('bb', 'bc')), [])
  })

  claim('a range is as of the moment of the call', async (t, store) => {
    const before = Array.from({ length: 1_000 }, (_, index) => `k${1_000 + index}`)
    await put(store, before)
    const range = store.range('k', 'l')
    const changes = before.map(key => ({ key, value: null }))
    await store.batch([...changes, { key: 'kk', value: Uint8Array.of(2) }], noSync)
    t.deepEqual(await keysIn(range), before)
    t.deepEqual(await keysIn(store.range('k', 'l')), ['kk'])
  })

  claim('a range may be left early, and the store closed then', async (t, store) => {
    await put(store, ['a', 'b', 'c'])
    for await (const [key] of store.range('a', 'z')) {
      t.is(key, 'a')
      break
    }
    await t.notThrowsAsync(store.close())
  })

  claim(
    'steps are the range in parts of at most so many, as of the moment of the call',
    async (t, store) => {
      const before = Array.from({ length: 1_000 }, (_, index) => `k${1_000 + index}`)
      await put(store, before)
      for (const pairs of [1, 7, 1_000, 5_000]) {
        const steps = await stepsIn(store.steps('k', 'l', pairs))
        t.true(steps.every(keys => keys.length > 0 && keys.length <= pairs))
        t.deepEqual(steps.flat(), before)
      }
      const steps = store.steps('k', 'l', 100)
      await store.batch(
        before.map(key => ({ key, value: null })),
        noSync,
      )
      t.deepEqual((await stepsIn(steps)).flat(), before)
      t.deepEqual(await stepsIn(store.steps('k', 'l', 100)), [])
    },
  )

  claim('steps may be left early', async (t, store) => {
    await put(store, ['a', 'b', 'c'])
    for await (const [pair] of store.steps('a', 'z', 1)) {
      t.is(pair?.[0], 'a')
      break
    }
    await t.notThrowsAsync(store.close())
  })

  claim('nobody sees half a batch', async (t, store) => {
    const keys = Array.from({ length: 2_000 }, (_, index) => `k${index}`)
    const written = put(store, keys)
    const seen = (await keysIn(store.range('k', 'l'))).length
    t.true(seen === 0 || seen === keys.length)
    await written
    t.is((await keysIn(store.range('k', 'l'))).length, keys.length)
  })

  claim('the last of several mutations of one key counts', async (t, store) => {
    const key = 'a'
    const first = { key, value: Uint8Array.of(1) }
    await store.batch([first, { key, value: null }, { key, value: Uint8Array.of(3) }], noSync)
    t.deepEqual(plain(store.get(key)), [3])
  })
}

function put(store: KeyValueStore, keys: readonly Key[]): Promise<void> {
  const value = Uint8Array.of(1)
  return store.batch(
    keys.map(key => ({ key, value })),
    { sync: false },
  )
}

export function plain(value: ReturnType<KeyReader['get']>): number[] | undefined {
  return value === undefined ? undefined : [...value]
}

export async function keysIn(
  range: AsyncIterable<readonly [Key, Uint8Array]>,
): Promise<readonly Key[]> {
  const keys: Key[] = []
  for await (const [key] of range) keys.push(key)
  return keys
}

export async function stepsIn(steps: AsyncIterable<readonly Pair[]>): Promise<Key[][]> {
  const found: Key[][] = []
  for await (const step of steps) found.push(step.map(([key]) => key))
  return found
}

function byBytes(a: Key, b: Key): number {
  return Buffer.compare(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'))
}
