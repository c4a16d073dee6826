import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import { earlySyncBytes } from '../../network/limits.ts'
import type { Device } from '../device/contract.ts'
import { SharedSync } from './shared-sync.ts'

/** A device that only syncs, each time when it is told to. */
class Disk implements Device {
  readonly name = 'disk'
  readonly syncs: PromiseWithResolvers<void>[] = []

  sync(): Promise<void> {
    this.syncs.push(Promise.withResolvers())
    return this.syncs.at(-1)!.promise
  }

  async end(): Promise<void> {
    this.syncs.at(-1)!.resolve()
    await settled()
  }

  space = () => Promise.reject(new Error('not measured'))
  hold = () => Promise.reject(new Error('not held'))
  giveBack = () => Promise.reject(new Error('not given back'))
  read = () => Promise.reject(new Error('not read'))
  write = () => Promise.reject(new Error('not written'))
  uncache = () => Promise.reject(new Error('not uncached'))
  close = async () => undefined
}

const settled = () => new Promise(setImmediate)
const fresh = { synced: 0, newest: 0 }

test('a sync covers what was numbered before it began', async t => {
  const disk = new Disk()
  const shared = new SharedSync(disk, { synced: 4, newest: 6 })
  t.is(shared.wrote(1), 7)
  const first = shared.sync()
  t.is(shared.wrote(1), 8)
  t.deepEqual([shared.synced, shared.syncing], [4, 7])
  const second = shared.sync()
  await disk.end()
  await first
  t.deepEqual([shared.synced, shared.syncing], [7, 8])
  await disk.end()
  await second
  t.deepEqual([shared.synced, shared.syncing], [8, 8])
  await shared.sync()
  t.is(disk.syncs.length, 2)
})

test('much written data is synced early, once, and nobody waits', async t => {
  const disk = new Disk()
  const shared = new SharedSync(disk, fresh)
  shared.wrote(earlySyncBytes - 1)
  t.is(disk.syncs.length, 0)
  shared.wrote(1)
  t.is(disk.syncs.length, 1)
  for (let count = 0; count < 3; count++) shared.wrote(earlySyncBytes)
  t.is(disk.syncs.length, 1)
  await disk.end()
  t.is(shared.synced, 2)
  shared.wrote(1)
  t.is(disk.syncs.length, 2)
})

test('an early sync that fails is told to whoever comes next', async t => {
  const disk = new Disk()
  const shared = new SharedSync(disk, fresh)
  shared.wrote(earlySyncBytes)
  disk.syncs[0]!.reject(new ClusterError('DISK', 'broken'))
  await settled()
  t.throws(() => shared.assertHealthy(), { code: 'DISK' })
  await t.throwsAsync(shared.sync(), { code: 'DISK' })
  t.is(shared.synced, 0)
})
