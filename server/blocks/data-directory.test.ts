import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { realEnv } from '../../network/env/real.ts'
import { chunkBytes } from '../../network/limits.ts'
import { checksumsOf } from '../../network/wire/checksum.ts'
import type { BlockStore } from './contract.ts'
import { openDataDirectory } from './data-directory.ts'
import { IndexDouble } from './index-double.ts'

const key = { partition: 0, ino: 16, generation: 0, block: 0 }

async function emptyDirectory(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'rookery-data-'))
  t.teardown(() => rm(path, { recursive: true }))
  return path
}

function open(path: string, index: IndexDouble): Promise<BlockStore> {
  const log = { error: () => {} }
  return openDataDirectory(path, {
    env: realEnv(),
    index,
    fallenBack: () => [],
    partitions: [0],
    log,
    onPressure() {},
  })
}

test('a data directory is made where it is missing and keeps its blocks', async t => {
  const path = join(await emptyDirectory(t), 'a', 'b')
  const index = new IndexDouble()
  const store = await open(path, index)
  const data = [Buffer.alloc(1000, 1), Buffer.alloc(200_000, 2)]
  const change = await store.write(
    key,
    [{ offset: 500, length: 201_000 }],
    data,
    checksumsOf(data, 500, chunkBytes),
  )
  index.stage(change.mutations)
  change.staged()
  await store.sync()
  await store.close()
  t.deepEqual(await readdir(path), ['blocks.dat'])

  const again = await open(path, index)
  const found = await again.read(key, 500, 201_000)
  t.true(Buffer.concat(found!.pieces).equals(Buffer.concat(data)))
  const { capacityBytes, usedBytes } = await again.statistics()
  t.is(usedBytes, Math.ceil(201_500 / 4096) * 4096)
  t.true(capacityBytes > usedBytes)
  await again.close()
})

test('a path that cannot be a directory is told as a disk error that names it', async t => {
  const path = join(await emptyDirectory(t), 'file')
  await writeFile(path, '')
  const error = await t.throwsAsync(open(path, new IndexDouble()), { code: 'DISK' })
  t.true(error?.message.includes(path))
})

test('a data directory whose blocks are missing is refused, also the next time', async t => {
  const path = await emptyDirectory(t)
  const index = new IndexDouble()
  const store = await open(path, index)
  const data = [Buffer.alloc(1000, 1)]
  const change = await store.write(
    key,
    [{ offset: 0, length: 1000 }],
    data,
    checksumsOf(data, 0, chunkBytes),
  )
  index.stage(change.mutations)
  change.staged()
  await store.close()
  await rm(join(path, 'blocks.dat'))
  for (let attempt = 0; attempt < 2; attempt++) {
    await t.throwsAsync(open(path, index), { message: /DISK: blocks.dat is not in / })
  }
})
