import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { levelWriteBufferBytes } from '../../network/limits.ts'
import { openLevelStore } from './level.ts'
import { syncOlderLogs } from './older-logs.ts'

test('every log but the newest is synced, and only logs', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-logs-'))
  t.teardown(() => rm(directory, { recursive: true }))
  for (const name of ['000009.log', '000010.log', '000008.ldb', 'LOG']) {
    await writeFile(join(directory, name), 'x')
  }
  await t.notThrowsAsync(syncOlderLogs(directory))
  // /proc/self/mem cannot be synced: it stands for a log whose sync fails.
  await symlink('/proc/self/mem', join(directory, '000007.log'))
  await t.throwsAsync(syncOlderLogs(directory), { message: /EINVAL/ })
})

test('a log that vanished meanwhile is no error', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-logs-'))
  t.teardown(() => rm(directory, { recursive: true }))
  await symlink(join(directory, 'gone'), join(directory, '000001.log'))
  await writeFile(join(directory, '000002.log'), '')
  await t.notThrowsAsync(syncOlderLogs(directory))
})

test('a store whose log was switched under load syncs and reads on', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-logs-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const store = await openLevelStore(directory)
  const value = new Uint8Array(1 << 20)
  const count = levelWriteBufferBytes / value.length + 4
  for (let index = 0; index < count; index++) {
    await store.batch([{ key: `k${index}`, value }], { sync: index === count - 1 })
  }
  t.is(store.get(`k${count - 1}`)?.length, value.length)
  t.true((await readdir(directory)).some(name => name.endsWith('.log')))
  await store.close()
})
