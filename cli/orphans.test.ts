import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { prepareHome } from './home.ts'
import { awaitOrphans } from './orphans.ts'

test('a new supervisor waits until the last process of a dead one is gone', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-orphans-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const home = await prepareHome(join(directory, 'home'))
  await awaitOrphans(home)

  const socket = join(directory, 'manager.sock')
  const managers = [`unix:${socket}`]
  await home.writeState({ pid: 1, startTicks: '', managers, mountpoint: '/m', volume: 'default' })
  await awaitOrphans(home)

  const manager = createServer().listen(socket)
  await once(manager, 'listening')
  let waiting = true
  const waited = awaitOrphans(home).then(() => {
    waiting = false
  })
  await once(manager, 'connection')
  t.true(waiting)
  manager.close()
  await waited
  t.false(waiting)
})
