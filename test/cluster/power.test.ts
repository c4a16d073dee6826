/** What is not synced when the machines of servers start again is no longer vouched for. */
import { stat, truncate } from 'node:fs/promises'
import test from 'ava'
import { encodeSyncedChange, syncedChangeKey } from '../../server/blocks/index.ts'
import { eventually } from './eventually.ts'
import { type DamagedDisks, firstBoot, InProcessCluster } from './in-process.ts'

test('fsync fails once after the machines of servers started again, not after the servers did', async t => {
  await using cluster = await InProcessCluster.start(2)
  const files = await cluster.connect()
  const file = await files.open('/file', 'w')
  await file.write(Buffer.alloc(3_000_000, 1))
  await cluster.restart('first boot')
  await t.notThrowsAsync(file.sync())
  await file.write('more')
  await cluster.restart('second boot')
  await t.throwsAsync(file.sync(), { code: 'EIO' })
  await t.notThrowsAsync(file.sync())
  await file.write('and more')
  await t.notThrowsAsync(file.sync())
  await file.close()
  t.deepEqual((await cluster.check({ data: true })).findings, [])
})

test('and once after a disk did not take what it was given, though the machine went on', async t => {
  await using cluster = await InProcessCluster.start(2)
  const files = await cluster.connect()
  const file = await files.open('/file', 'w')
  await file.write(Buffer.alloc(3_000_000, 1))
  await cluster.damage(disks => Promise.all(disks.map(forgetUnsynced)).then(() => undefined))
  await t.throwsAsync(file.sync(), { code: 'EIO' })
  await file.write(Buffer.alloc(3_000_000, 2), 0, 3_000_000, 0)
  await t.notThrowsAsync(file.sync())
  await cluster.restart(firstBoot)
  await file.write('more')
  await t.notThrowsAsync(file.sync(), 'nothing more was lost')
  await file.close()
  t.deepEqual((await cluster.check({ data: true })).findings, [])
})

test('also when what was lost has gone to another server of the same machine', async t => {
  await using cluster = await InProcessCluster.start(1, undefined, 2)
  const files = await cluster.connect()
  const written = await Promise.all(
    Array.from({ length: 12 }, async (_, index) => {
      const file = await files.open(`/file-${index}`, 'w')
      await file.write(Buffer.alloc(100_000, 7))
      return file
    }),
  )
  await cluster.damage(disks => Promise.all(disks.map(forgetUnsynced)).then(() => undefined))
  const { id } = await cluster.addServer(firstBoot)
  const client = await cluster.client()
  await eventually('a partition has moved', async () =>
    client.view.partitions.some(({ primary }) => primary === id),
  )
  for (const file of written) {
    await t.throwsAsync(file.sync(), { code: 'EIO' })
    await file.close()
  }
})

/** As if nothing had ever been synced, and none of it were on the disk. */
async function forgetUnsynced({ store, blocksFile }: DamagedDisks): Promise<void> {
  await store.batch([{ key: syncedChangeKey, value: encodeSyncedChange(0) }], { sync: true })
  const { size } = await stat(blocksFile)
  await truncate(blocksFile)
  await truncate(blocksFile, size)
}
