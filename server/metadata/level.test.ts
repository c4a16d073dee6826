import { randomBytes } from 'node:crypto'
import { mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Level } from 'level'
import { ClusterError } from '../../network/errors.ts'
import { StoreDouble } from '../testing/store-double.ts'
import { keyValueCompliance, plain } from './compliance.ts'
import { openLevelStore, openMemoryStore } from './level.ts'

async function scratch(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-level-'))
  t.teardown(() => rm(directory, { recursive: true }))
  return directory
}

keyValueCompliance(test, 'disk', async t => {
  const directory = await scratch(t)
  const store = await openLevelStore(join(directory, 'level'))
  t.teardown(() => store.close())
  return store
})
keyValueCompliance(test, 'memory', async t => {
  const store = await openMemoryStore()
  t.teardown(() => store.close())
  return store
})
keyValueCompliance(test, 'double', async () => new StoreDouble())

test('what was written is there when the store is opened again', async t => {
  const directory = await scratch(t)
  const store = await openLevelStore(directory)
  await store.batch([{ key: '\xff', value: Uint8Array.of(7) }], { sync: true })
  await store.close()
  const again = await openLevelStore(directory)
  t.teardown(() => again.close())
  t.deepEqual(plain(again.get('\xff')), [7])
})

test('what was deleted gives its space back when the store is merged, unless it is large', async t => {
  const directory = await scratch(t)
  const store = await openLevelStore(directory)
  t.teardown(() => store.close())
  const taken = async () => {
    const sizes = (await readdir(directory)).map(
      async name => (await stat(join(directory, name))).size,
    )
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
  }
  const keys = Array.from({ length: 300 }, (_, index) => `k${index}`)
  for (const key of keys) {
    await store.batch([{ key, value: randomBytes(16_384) }], { sync: false })
  }
  await store.batch(
    keys.slice(1).map(key => ({ key, value: null })),
    { sync: true },
  )
  await store.compact(1_000_000)
  t.true((await taken()) > 4_000_000)
  await store.compact(100_000_000)
  t.true((await taken()) < 200_000)
  t.is(store.get('k0')?.byteLength, 16_384)
  t.is(store.get('k1'), undefined)
})

test('a store is merged part by part, and nothing that stays is lost', async t => {
  const directory = await scratch(t)
  const store = await openLevelStore(directory)
  t.teardown(() => store.close())
  const taken = async () => {
    const sizes = (await readdir(directory)).map(name =>
      stat(join(directory, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    )
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
  }
  const value = (index: number) => Buffer.alloc(16_384, randomBytes(16_384)).fill(index, 0, 4)
  const keys = Array.from(
    { length: 4000 },
    (_, index) => `\x00\x07d${String(index).padStart(6, '0')}`,
  )
  for (let at = 0; at < keys.length; at += 100) {
    const some = keys.slice(at, at + 100)
    await store.batch(
      some.map((key, index) => ({ key, value: value(index) })),
      { sync: false },
    )
  }
  const before = await taken()
  let peak = before
  let isMerging = true
  const watching = (async () => {
    while (isMerging) {
      peak = Math.max(peak, await taken())
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  })()
  for (let round = 0; round < 2; round++) await store.compact(1e9)
  isMerging = false
  await watching
  t.true(peak < before + 48 * 1024 * 1024, `${before} at rest, ${peak} at most`)
  for (const [index, key] of keys.entries()) t.is(store.get(key)?.[0], (index % 100) & 255)
})

test('what Level cannot read in a range is told, also to who leaves it early', async t => {
  const directory = await scratch(t)
  const keys = Array.from({ length: 4000 }, (_, index) => `k${10_000 + index}`)
  const store = await openLevelStore(directory)
  await store.batch(
    keys.map((key, index) => ({ key, value: Buffer.alloc(100, index) })),
    { sync: false },
  )
  await store.close()
  // The log becomes a table.
  await (await openLevelStore(directory)).close()
  const [table] = (await readdir(directory)).filter(name => name.endsWith('.ldb'))
  const file = await open(join(directory, table!), 'r+')
  await file.write(Buffer.alloc(32, 0xff), 0, 32, Math.floor((await file.stat()).size / 2))
  await file.close()
  const damaged = await openLevelStore(directory)
  t.teardown(() => damaged.close())
  const read = async (most: number) => {
    let count = 0
    for await (const _ of damaged.range('k', 'l')) if (++count === most) break
    return count
  }
  t.is(await read(1000), 1000, 'what lies before it is read')
  for (const most of [3500, Infinity]) await t.throwsAsync(read(most), { code: 'DISK' })
})

test('a store is open once at a time', async t => {
  const directory = await scratch(t)
  const store = await openLevelStore(directory)
  const second = await t.throwsAsync(openLevelStore(directory), { instanceOf: ClusterError })
  t.is(second?.code, 'IN_USE')
  await store.close()
  await (await openLevelStore(directory)).close()
})

test('a directory that cannot hold a store is named', async t => {
  const directory = await scratch(t)
  await writeFile(join(directory, 'file'), '')
  const opened = openLevelStore(join(directory, 'file'))
  const error = await t.throwsAsync(opened, { instanceOf: ClusterError })
  t.is(error?.code, 'DISK')
  t.true(error?.message.includes(directory))
})

test('a closed store takes nothing and says so', async t => {
  const store = await openMemoryStore()
  await store.close()
  t.throws(() => store.get('a'))
  const written = store.batch([{ key: 'a', value: null }], { sync: false })
  t.is((await t.throwsAsync(written, { instanceOf: ClusterError }))?.code, 'DISK')
})

test('a value that is not what was written is an error, never a value, and harms no other', async t => {
  const directory = await scratch(t)
  const store = await openLevelStore(directory)
  const value = Buffer.from('a size and a name')
  await store.batch(
    [...'abc'].map(key => ({ key, value })),
    { sync: false },
  )
  await store.close()
  const damage = async (key: string, change: (record: Buffer) => Uint8Array): Promise<void> => {
    const level = new Level<string, Buffer>(directory, { valueEncoding: 'buffer' })
    const record = (await level.get(key))!
    await level.put(key, Buffer.from(change(record)))
    await level.close()
    const damaged = await openLevelStore(directory)
    t.throws(() => damaged.get(key), { code: 'CHECKSUM', message: /62/ })
    t.is(Buffer.compare(damaged.get('a')!, value), 0)
    const [keys, bad]: string[][] = [[], []]
    const onDamaged = (each: string) => void bad!.push(each)
    for await (const [each] of damaged.range('a', 'z', { onDamaged })) keys!.push(each)
    t.deepEqual([keys, bad], [['a', 'c'], ['b']])
    await t.throwsAsync(
      async () => {
        for await (const _ of damaged.range('a', 'z'));
      },
      { code: 'CHECKSUM' },
    )
    await damaged.close()
    const again = new Level<string, Buffer>(directory, { valueEncoding: 'buffer' })
    await again.put(key, record)
    await again.close()
  }
  for (let at = 0; at < value.length + 8; at++) {
    await damage('b', record => record.with(at, record[at]! ^ 4))
  }
  await damage('b', record => record.subarray(0, 5))
  const other = Buffer.from('another value, sound where it belongs')
  const moved = await openLevelStore(directory)
  await moved.batch(
    [
      { key: 'a', value },
      { key: 'x', value: other },
    ],
    { sync: false },
  )
  await moved.close()
  const level = new Level<string, Buffer>(directory, { valueEncoding: 'buffer' })
  const elsewhere = (await level.get('x'))!
  await level.del('x')
  await level.close()
  await damage('b', () => elsewhere)
})
