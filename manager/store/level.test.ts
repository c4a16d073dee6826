import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Level } from 'level'
import { MemoryLevel } from 'memory-level'
import type { ClusterError } from '../../network/errors.ts'
import { diskFormat } from '../../network/limits.ts'
import { exampleState, testStore } from './compliance.ts'
import { openLevelStore, openMemoryStore } from './level.ts'
import { decodeState, encodeState } from './record.ts'

async function createDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'rookery-manager-'))
}

testStore(test, 'on disk', async () => {
  const directory = await createDirectory()
  return {
    open: () => openLevelStore(directory),
    remove: () => rm(directory, { recursive: true }),
  }
})

testStore(test, 'in memory', async () => {
  const level = new MemoryLevel<string, string>()
  return { open: () => openMemoryStore(level), remove: async () => level.close() }
})

test('a store that is open already is refused as in use, and says by whom to look', async t => {
  const directory = await createDirectory()
  t.teardown(() => rm(directory, { recursive: true }))
  const store = await openLevelStore(directory)
  const error = await t.throwsAsync<ClusterError>(openLevelStore(directory))
  t.is(error.code, 'IN_USE')
  t.true(error.message.includes(directory))
  await store.close()
})

test('a state of a newer format on disk is refused with both formats', async t => {
  const directory = await createDirectory()
  t.teardown(() => rm(directory, { recursive: true }))
  const level = new Level<string, string>(join(directory, 'state'))
  await level.put('state', JSON.stringify({ format: 99, anything: true }))
  await level.close()
  const store = await openLevelStore(directory)
  const error = await t.throwsAsync<ClusterError>(store.load())
  t.is(error.code, 'NEWER_FORMAT')
  t.regex(error.message, new RegExp(`format 99.*format ${diskFormat}`))
  await store.close()
})

test('a damaged state is an error that names the place and what is wrong', t => {
  const good = encodeState(exampleState())
  t.deepEqual(decodeState(good, 'here'), exampleState())
  const view = { ...exampleState().view, partitions: [] }
  for (const text of [
    good.slice(0, -1),
    '{}',
    good.replace('"weight":1', '"weight":"1"'),
    good.replace('"cluster":"c1"', '"cluster":"c2"'),
    encodeState({ ...exampleState(), view: view as never }),
  ]) {
    const error = t.throws<ClusterError>(() => decodeState(text, 'here'))
    t.is(error.code, 'DISK')
    t.regex(error.message, /in here is damaged/)
  }
})
