/** Appends of a client that was stopped for a while: its reservation may be another's by then. */
import test, { type ExecutionContext } from 'ava'
import type { Timers } from '../../network/env/env.ts'
import { realEnv } from '../../network/env/real.ts'
import { ClusterError } from '../../network/errors.ts'
import { appendGrantMs, appendWritesMs, operationDeadlineMs } from '../../network/limits.ts'
import type { WriteBlockRequest } from '../../network/wire/operations.ts'
import { type Fault, TestServers, testUptimeMs } from '../testing/servers.ts'
import { openVolume } from './volume.ts'
import { createVolume } from './volumes.ts'

const blockBytes = 64 * 1024
const block = Buffer.alloc(blockBytes, 1)

/** A file of one block, and clocks that can be put forward, as a stopped process or a suspended machine finds them. */
async function setUp(t: ExecutionContext) {
  const cluster = await new TestServers(2, 8).start()
  const real = realEnv()
  let stoppedMs = 0
  const wallNs = () => real.clock.wallNs()
  let suspendedMs = 0
  const clock = {
    wallNs,
    monotonicMs: () => real.clock.monotonicMs() + stoppedMs,
    uptimeMs: () => real.clock.uptimeMs() + stoppedMs + suspendedMs,
  }
  const stop = (ms: number): void => {
    stoppedMs += ms
  }
  const suspend = (ms: number): void => {
    suspendedMs += ms
  }
  // Pauses take no time but on that clock.
  const timers: Timers = {
    after: (delayMs, callback) => real.timers.after(delayMs, callback),
    every: (periodMs, callback) => real.timers.every(periodMs, callback),
    soon: callback => real.timers.soon(callback),
    sleep: async ms => stop(ms),
  }
  const client = cluster.client({ ...real, clock, timers })
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    await client.close()
    await cluster.stop()
    clearInterval(alive)
  })
  await createVolume(client, 'v', { blockBytes, inlineBytes: 0 })
  const fs = await openVolume(client, 'v')
  const how = { exclusive: true, truncate: false }
  const { file } = await fs.create(fs.root, Buffer.from('f'), 0o100644, { uid: 0, gid: 0 }, how)
  await fs.write(file, 0, block, {})
  const watched = ['reserve', 'writeBlock', 'commitWrite']
  const begun = cluster.calls.length
  const calls = () =>
    cluster.calls.slice(begun).flatMap(({ name, body }) => {
      if (!watched.includes(name)) return []
      return name === 'reserve' && !(body as { exclusive: boolean }).exclusive ? ['give'] : [name]
    })
  return { cluster, fs, file, stop, suspend, calls, clock }
}

const again = ['give', 'reserve', 'writeBlock', 'commitWrite']

test('an append whose client was stopped before it wrote its blocks writes none, but begins again', async t => {
  const { cluster, fs, file, stop, calls } = await setUp(t)
  cluster.fail('reserve', { before: () => stop(operationDeadlineMs + 1) })
  await fs.write(file, 0, block, { append: true })
  t.deepEqual(calls(), ['reserve', ...again])
})

test('nor does one whose machine was suspended', async t => {
  const { cluster, fs, file, suspend, calls } = await setUp(t)
  cluster.fail('reserve', { before: () => suspend(operationDeadlineMs + 1) })
  await fs.write(file, 0, block, { append: true })
  t.deepEqual(calls(), ['reserve', ...again])
  t.is((await fs.getattr(file.ino)).size, 2 * blockBytes)
})

test('an append whose client was stopped between two attempts does not repeat a block', async t => {
  const { cluster, fs, file, stop, calls } = await setUp(t)
  const error = new ClusterError('NOT_READY', 'soon')
  cluster.fail('writeBlock', { before: () => stop(appendWritesMs + 1), error })
  await fs.write(file, 0, block, { append: true })
  t.deepEqual(calls(), ['reserve', 'writeBlock', ...again])
})

test('a short stop is no reason to begin again', async t => {
  const { cluster, fs, file, stop, calls } = await setUp(t)
  cluster.fail('reserve', { before: () => stop(appendWritesMs / 2) })
  await fs.write(file, 0, block, { append: true })
  t.deepEqual(calls(), ['reserve', 'writeBlock', 'commitWrite'])
})

test('an append that is late each time fails in the end, and gives back what it had', async t => {
  const { cluster, fs, file, stop, calls } = await setUp(t)
  const late: Fault = { before: () => stop(appendWritesMs + 1) }
  cluster.fail('reserve', late, {}, late, {}, late, {})
  await t.throwsAsync(fs.write(file, 0, block, { append: true }), { code: 'EIO' })
  t.deepEqual(calls(), ['reserve', 'give', 'reserve', 'give', 'reserve', 'give'])
  t.is(cluster.grants.size, 0)
})

test('a write at an offset is not held to the time of an append', async t => {
  const { cluster, fs, file, stop, calls } = await setUp(t)
  const error = new ClusterError('NOT_READY', 'soon')
  cluster.fail('writeBlock', { before: () => stop(appendWritesMs + 1), error })
  await fs.write(file, 0, block, {})
  t.deepEqual(calls(), ['writeBlock', 'writeBlock', 'commitWrite'])
})

test('a block of an append may not be let in once another may append, other writes at any time', async t => {
  const startMs = realEnv().clock.uptimeMs()
  const { cluster, fs, file, clock } = await setUp(t)
  const begun = cluster.calls.length
  await fs.write(file, 0, block, { append: true })
  const passedMs = clock.uptimeMs() - startMs
  await fs.write(file, 0, block, {})
  const limits = cluster.calls.slice(begun).flatMap(({ name, body }) => {
    return name === 'writeBlock' ? [(body as WriteBlockRequest).notAfterMs] : []
  })
  t.is(limits.length, 2)
  t.true(limits[0]! > testUptimeMs + appendWritesMs)
  t.true(limits[0]! <= testUptimeMs + passedMs + appendGrantMs)
  t.is(limits[1], undefined)
})

test('a write that makes the file longer outlasts an appender that is gone', async t => {
  const { cluster, fs, file, clock } = await setUp(t)
  cluster.grants.set(file.ino, 'an appender that is gone')
  const endMs = clock.monotonicMs() + appendGrantMs
  const lapse = () => {
    if (clock.monotonicMs() > endMs) cluster.grants.clear()
  }
  cluster.fail('commitWrite', ...Array.from({ length: 1000 }, () => ({ before: lapse })))
  await fs.write(file, blockBytes, block, {})
  t.is((await fs.getattr(file.ino)).size, 2 * blockBytes)
})

test('a write whose way is never free fails in its time', async t => {
  const { cluster, fs, file, clock } = await setUp(t)
  cluster.grants.set(file.ino, 'an appender that never ends')
  const startMs = clock.monotonicMs()
  await t.throwsAsync(fs.write(file, blockBytes, block, {}), { code: 'EIO' })
  t.true(clock.monotonicMs() - startMs < 2 * operationDeadlineMs)
})
