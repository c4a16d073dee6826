import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { SimulatedEnv } from '../network/env/simulated.ts'
import { ClusterError } from '../network/errors.ts'
import { openMemoryStore } from './metadata/level.ts'
import { claimDirectories, type Directories, markOf, metadataGaps, openMetadata } from './stores.ts'

async function scratch(t: ExecutionContext): Promise<(name: string) => Directories> {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-stores-'))
  t.teardown(() => rm(directory, { recursive: true }))
  return name => ({
    metaDirectory: join(directory, `${name}-meta`),
    dataDirectory: join(directory, `${name}-data`),
  })
}

function identity(digit: string) {
  return { id: digit.repeat(32), cluster: 'c'.repeat(32) }
}

async function refused(t: ExecutionContext, action: Promise<unknown>): Promise<string> {
  const error = await t.throwsAsync(action, { instanceOf: ClusterError })
  return error?.code ?? ''
}

test('a server finds its own directories again', async t => {
  const at = await scratch(t)
  t.deepEqual(await claimDirectories(at('a')), { id: '', cluster: '' })
  await claimDirectories(at('a'), identity('a'))
  t.deepEqual(await claimDirectories(at('a')), identity('a'))
})

test('the directories of two servers are no pair', async t => {
  const at = await scratch(t)
  await claimDirectories(at('a'), identity('a'))
  await claimDirectories(at('b'), identity('b'))
  const mixed = { ...at('a'), dataDirectory: at('b').dataDirectory }
  t.is(await refused(t, claimDirectories(mixed)), 'FOREIGN_DIRECTORY')
  const swapped = {
    metaDirectory: at('a').dataDirectory,
    dataDirectory: at('a').metaDirectory,
  }
  t.is(await refused(t, claimDirectories(swapped)), 'FOREIGN_DIRECTORY')
  const fresh = { ...at('c'), dataDirectory: at('a').dataDirectory }
  t.is(await refused(t, claimDirectories(fresh)), 'FOREIGN_DIRECTORY')
})

test('a directory that holds something else is left alone', async t => {
  const at = await scratch(t)
  const { metaDirectory } = at('a')
  await mkdir(metaDirectory)
  await writeFile(join(metaDirectory, 'letters.txt'), 'dear')
  t.is(await refused(t, claimDirectories(at('a'))), 'FOREIGN_DIRECTORY')
  t.deepEqual(await readdir(metaDirectory), ['letters.txt'])
})

test('a metadata directory is open once at a time', async t => {
  const at = await scratch(t)
  await claimDirectories(at('a'))
  const store = await openMetadata(at('a').metaDirectory, { id: '' })
  t.is(await refused(t, openMetadata(at('a').metaDirectory, { id: '' })), 'IN_USE')
  await store.close()
})

test('a store that there is not yet has no gaps, and one that cannot be read says so', async t => {
  const at = await scratch(t)
  const { metaDirectory } = at('a')
  t.deepEqual(await metadataGaps(metaDirectory), [])
  await mkdir(join(metaDirectory, 'level', '000001.log'), { recursive: true })
  t.is(await refused(t, metadataGaps(metaDirectory)), 'DISK')
})

test('a server whose metadata is gone does not begin with none', async t => {
  const at = await scratch(t)
  const { metaDirectory } = at('a')
  await claimDirectories(at('a'))
  await (await openMetadata(metaDirectory, { id: '' })).close()
  await claimDirectories(at('a'), identity('a'))
  await (await openMetadata(metaDirectory, identity('a'))).close()
  for (const name of await readdir(join(metaDirectory, 'level'))) {
    await rm(join(metaDirectory, 'level', name))
  }
  t.is(await refused(t, openMetadata(metaDirectory, identity('a'))), 'DISK')
  await rm(join(metaDirectory, 'level'), { recursive: true })
  t.is(await refused(t, openMetadata(metaDirectory, identity('a'))), 'DISK')
  t.false((await readdir(metaDirectory)).includes('level'))
})

test('a store is told from others by a mark that was made with it', async t => {
  const { random } = new SimulatedEnv({ seed: 1 })
  const [store, other] = [await openMemoryStore(), await openMemoryStore()]
  const mark = await markOf(store, random)
  t.regex(mark, /^[0-9a-f]{32}$/)
  t.is(await markOf(store, random), mark)
  t.not(await markOf(other, random), mark)
})
