import test from 'ava'
import { SimulatedEnv } from '../env/simulated.ts'
import { ClusterError, PosixError } from '../errors.ts'
import { protocolVersion } from '../limits.ts'
import type { Metric } from '../metrics/metric.ts'
import { MemoryNetwork } from '../transport/memory.ts'
import { connect } from './connect.ts'
import { serve } from './serve.ts'
import { RpcTally } from './tally.ts'

const base = { version: protocolVersion, cluster: 'c' }
const address = 'memory:x'

/** `lookup ok 2`, of the counters of calls. */
function shown(metrics: readonly Metric[]): readonly string[] {
  const [results] = metrics
  if (results?.kind !== 'counter') throw new Error('the first metric counts results')
  return results.samples.map(({ labels, value }) => `${labels.operation} ${labels.result} ${value}`)
}

test('both sides count each call once, with the result that the caller got', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const transport = new MemoryNetwork(env).transport('x')
  const [here, there] = [new RpcTally(env), new RpcTally(env)]
  const served = await serve({
    env,
    transport,
    address,
    tally: there,
    hello: { ...base, role: 'server', id: 's' },
    log: () => undefined,
    service: {
      view: () => ({ body: { view: null }, payload: [] }),
      sync: async () => {
        await env.timers.sleep(30)
        return { body: { boot: '' }, payload: [] }
      },
      statfs: () => {
        throw new PosixError('EIO', 'x')
      },
      readlink: async () => {
        throw new ClusterError('STALE_EPOCH', 'x')
      },
      // A call that takes longer than it may.
      parent: () => env.timers.sleep(500).then(() => ({ body: { parent: 1 }, payload: [] })),
      heartbeat: async () => {
        throw new TypeError('a fault of ours')
      },
    },
  })
  let done = false
  const work = async () => {
    const hello = { ...base, role: 'client', id: 'k' } as const
    const peer = await connect({ env, transport, address, hello, service: {}, tally: here })
    const calls = [
      peer.call('view', {}),
      peer.call('view', {}),
      peer.call('sync', {}),
      peer.call('statfs', {}),
      peer.call('readlink', { ino: 1 }),
      peer.call('parent', { ino: 1, transaction: '' }, { deadlineMs: 100 }),
      peer.call('heartbeat', { epoch: 0, report: null }),
      peer.call('session', { opens: [] }),
    ]
    await Promise.allSettled(calls)
    await env.timers.sleep(1_000)
    const old = { ...hello, version: 1 }
    await t.throwsAsync(connect({ env, transport, address, hello: old, service: {} }))
    await peer.close()
    done = true
  }
  const working = work()
  await env.run(() => done)
  await working
  t.deepEqual(shown(there.served.metrics('x', 'X')).toSorted(), [
    'heartbeat internal_error 1',
    'heartbeat ok 0',
    'parent ok 1',
    'readlink cluster_error 1',
    'readlink ok 0',
    'session cluster_error 1',
    'session ok 0',
    'statfs ok 0',
    'statfs posix_error 1',
    'sync ok 1',
    'view ok 2',
  ])
  t.deepEqual(shown(here.made.metrics('x', 'X')).toSorted(), [
    'heartbeat cluster_error 1',
    'heartbeat ok 0',
    'parent cluster_error 1',
    'parent ok 0',
    'readlink cluster_error 1',
    'readlink ok 0',
    'session cluster_error 1',
    'session ok 0',
    'statfs ok 0',
    'statfs posix_error 1',
    'sync ok 1',
    'view ok 2',
  ])
  t.deepEqual(shown(here.served.metrics('x', 'X')), [])
  t.is(served.refusedCount, 1)
  const [, times] = there.served.metrics('x', 'X')
  const sync =
    times?.kind === 'histogram' &&
    times.distributions.find(({ labels }) => labels.operation === 'sync')
  t.true(sync && sync.sum >= 0.03 && sync.sum < 0.04)
})
