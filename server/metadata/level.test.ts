import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
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
