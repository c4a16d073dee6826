import { mkdtemp, open, readdir, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { openLevelStore } from './level.ts'
import { gapsInLogs } from './log-gaps.ts'

const batches = 1500

/** A store whose batches are all in one log of some blocks. */
async function makeLog(t: ExecutionContext) {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-log-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const store = await openLevelStore(directory)
  for (let index = 0; index < batches; index++) {
    const long = index % 100 === 0 ? 40_000 : 100
    await store.batch([{ key: `k${index}`, value: Buffer.alloc(long, index) }], { sync: false })
  }
  await store.close()
  const [name] = (await readdir(directory)).filter(each => each.endsWith('.log'))
  return { directory, log: join(directory, name!) }
}

async function overwrite(path: string, position: number, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'r+')
  await file.write(bytes, 0, bytes.length, position)
}

test('a log that is whole has no gap, and neither has one that is torn at its end', async t => {
  const { directory, log } = await makeLog(t)
  t.deepEqual(await gapsInLogs(directory), [])
  const { size } = await stat(log)
  await overwrite(log, size - 50, new Uint8Array(20))
  t.deepEqual(await gapsInLogs(directory), [])
  await truncate(log, size - 300)
  t.deepEqual(await gapsInLogs(directory), [])
})

test('a page that is missing in the middle is a gap, and so is a bit that has flipped', async t => {
  for (const lost of [new Uint8Array(4096), Uint8Array.of(255)]) {
    const { directory, log } = await makeLog(t)
    await overwrite(log, 200_000, lost)
    const [gap, ...others] = await gapsInLogs(directory)
    t.is(gap?.file, log)
    t.true(gap!.position <= 200_000 && gap!.position > 200_000 - 40_000, `${gap?.position}`)
    t.deepEqual(others, [])
    // Level says nothing of it.
    const store = await openLevelStore(directory)
    const left = Array.from({ length: batches }, (_, index) => store.get(`k${index}`) !== undefined)
    t.true(left.includes(false) && left.at(-1))
    await store.close()
  }
})
