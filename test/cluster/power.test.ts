/** What is not synced when the machines of servers start again is no longer vouched for. */
import test from 'ava'
import { InProcessCluster } from './in-process.ts'

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
