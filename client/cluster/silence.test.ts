/** What a client does about servers that say nothing, or hear nothing that counts. */
import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError } from '../../network/errors.ts'
import {
  callDeadlineMs,
  maxSlots,
  operationDeadlineMs,
  sessionTimeoutMs,
  uptimeOldMs,
} from '../../network/limits.ts'
import { silentLog } from '../../network/log.ts'
import type { CallOptions, Peer } from '../../network/rpc/contract.ts'
import type { OperationName } from '../../network/wire/operations.ts'
import type { View } from '../../network/wire/view.ts'
import { ClusterClient } from './cluster.ts'

const view: View = {
  cluster: 'test',
  epoch: 1,
  members: [{ id: 's', role: 'server', name: 's', addresses: [], host: '', domain: '', weight: 1 }],
  partitions: [{ replicas: ['s'], inSync: ['s'], primary: 's', epoch: 1 }],
  replicaCount: 1,
}
const membership = {
  partitionCount: 1,
  view,
  connected: true,
  onView: () => {},
  adopt: () => {},
  close: async () => {},
}

/** A client of one server that answers all calls but those of the names in `mute`. */
function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const mute = new Set<OperationName>()
  const calls: OperationName[] = []
  let dials = 0
  const dial = async (): Promise<Peer> => {
    dials++
    const closed = Promise.withResolvers<ClusterError | undefined>()
    const call = async (name: OperationName, _request: object, options: CallOptions = {}) => {
      calls.push(name)
      if (!mute.has(name)) return { body: { boot: 'boot', uptimeMs: 0 }, payload: [] }
      const late = env.timers.sleep(options.deadlineMs ?? 10_000).then(() => {
        throw new ClusterError('TIMEOUT', name)
      })
      return Promise.race([late, closed.promise.then(lost => Promise.reject(lost))])
    }
    const end = (error?: ClusterError) => closed.resolve(error ?? new ClusterError('CLOSED', ''))
    const peer = { remote: 's', call, notify: () => {}, closed: closed.promise, abort: end }
    return { ...peer, close: async () => end() } as unknown as Peer
  }
  const client = new ClusterClient({ env, log: silentLog, membership, dial })
  const count = (name: OperationName) => calls.filter(one => one === name).length
  return { env, client, mute, count, dials: () => dials }
}

test('a session is kept alive also while only calls are made that do not count for it', async t => {
  const { env, client, count } = setUp()
  await client.query('getattr', 0, { ino: 16 })
  t.is(count('session'), 1)
  for (let ms = 0; ms < sessionTimeoutMs; ms += 5_000) {
    await client.ask('statfs', 's', {})
    await env.advance(5_000)
  }
  t.true(count('session') > 1)
})

test('a busy session is renewed only to hear of its server’s clock, now and then', async t => {
  const { env, client, count } = setUp()
  for (let ms = 0; ms < uptimeOldMs; ms += 5_000) {
    await client.query('getattr', 0, { ino: 16 })
    await env.advance(5_000)
  }
  t.is(count('session'), 1)
  for (let ms = 0; ms < sessionTimeoutMs / 2; ms += 5_000) {
    await client.query('getattr', 0, { ino: 16 })
    await env.advance(5_000)
  }
  t.is(count('session'), 2)
})

test('a connection on which a session cannot be renewed is given up for a new one', async t => {
  const { env, client, mute, count, dials } = setUp()
  await client.query('getattr', 0, { ino: 16 })
  await env.advance(sessionTimeoutMs / 4)
  mute.add('session')
  await env.advance(sessionTimeoutMs / 4)
  const asking = client.query('getattr', 0, { ino: 16 })
  await env.advance(5_000)
  mute.clear()
  await env.advance(10_000)
  await asking
  t.is(dials(), 2)
  t.is(count('getattr'), 2)
})

test('an operation ends at its deadline, in the middle of an attempt', async t => {
  const { env, client, mute } = setUp()
  mute.add('getattr')
  let endedMs = 0
  const asking = client.query('getattr', 0, { ino: 16 }).catch((error: Error) => {
    endedMs = env.clock.monotonicMs()
    return error
  })
  await env.advance(2 * operationDeadlineMs)
  t.regex(String(await asking), /EIO/)
  t.true(endedMs > operationDeadlineMs - 1000 && endedMs <= operationDeadlineMs, `${endedMs}`)
})

test('changes that wait for a slot end in time, too, though all slots wait for a silent server', async t => {
  const { env, client, mute } = setUp()
  mute.add('unlink')
  let latestMs = 0
  const removing = Array.from({ length: 4 * maxSlots }, async (_, index) => {
    const request = { parent: 16, name: Buffer.from(`f${index}`) }
    await t.throwsAsync(client.mutate('unlink', 0, request), { code: 'EIO' })
    latestMs = env.clock.monotonicMs()
  })
  await env.advance(5 * operationDeadlineMs)
  await Promise.all(removing)
  t.true(latestMs <= operationDeadlineMs + callDeadlineMs, `${latestMs}`)
})
