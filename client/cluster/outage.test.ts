/** Programs that need a server which is not there wait for it once, not one behind the other. */
import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError } from '../../network/errors.ts'
import {
  dialDeadlineMs,
  operationDeadlineMs,
  outageGapMs,
  outageGraceMs,
  sessionTimeoutMs,
} from '../../network/limits.ts'
import { silentLog } from '../../network/log.ts'
import type { CallOptions, Peer } from '../../network/rpc/contract.ts'
import type { OperationName } from '../../network/wire/operations.ts'
import type { MemberId, View } from '../../network/wire/view.ts'
import { ClusterClient } from './cluster.ts'

const ids = ['s0', 's1']
const view: View = {
  cluster: 'test',
  epoch: 1,
  members: ids.map(id => ({
    ...{ id, role: 'server' as const, name: id, addresses: [], host: '', domain: '', weight: 1 },
  })),
  partitions: [
    { replicas: ['s0'], inSync: ['s0'], primary: 's0', epoch: 1 },
    { replicas: ['s1'], inSync: ['s1'], primary: 's1', epoch: 1 },
    { replicas: [], inSync: [], primary: null, epoch: 2 },
  ],
  replicaCount: 1,
}

/** A client of two servers whose plugs can be pulled: then nothing comes back, and a dial takes its time. */
function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const unplugged = new Set<MemberId>()
  let dials = 0
  const dial = async (server: MemberId): Promise<Peer> => {
    dials++
    if (unplugged.has(server)) {
      await env.timers.sleep(dialDeadlineMs)
      throw new ClusterError('UNREACHABLE', server)
    }
    const closed = Promise.withResolvers<ClusterError | undefined>()
    const call = async (name: OperationName, _request: object, options: CallOptions = {}) => {
      if (!unplugged.has(server)) return { body: { boot: 'boot' }, payload: [] }
      const late = env.timers.sleep(options.deadlineMs ?? 10_000).then(() => {
        throw new ClusterError('TIMEOUT', name)
      })
      return Promise.race([late, closed.promise.then(lost => Promise.reject(lost))])
    }
    const end = (error?: ClusterError) => closed.resolve(error ?? new ClusterError('CLOSED', ''))
    const peer = { remote: server, call, notify: () => {}, closed: closed.promise, abort: end }
    return { ...peer, close: async () => end() } as unknown as Peer
  }
  const membership = {
    ...{ partitionCount: 3, view, connected: true },
    ...{ onView: () => {}, adopt: () => {}, close: async () => {} },
  }
  const client = new ClusterClient({ env, log: silentLog, membership, dial })
  const ask = async (partition: number): Promise<{ tookMs: number; failed: string | null }> => {
    const startMs = env.clock.monotonicMs()
    const told = { ino: partition * 2 ** 40 + 16 }
    const failed = await client.query('getattr', partition, told).then(
      () => null,
      (error: Error) => error.message,
    )
    return { tookMs: env.clock.monotonicMs() - startMs, failed }
  }
  /** As a directory's lock has it: each begins when the one before has ended. */
  const queue = async (partition: number, count: number) => {
    const ended: Awaited<ReturnType<typeof ask>>[] = []
    for (let i = 0; i < count; i++) ended.push(await ask(partition))
    return ended
  }
  const passing = async <T>(work: Promise<T>, limitMs = 1_000_000): Promise<T> => {
    let isDone = false
    const done = () => {
      isDone = true
    }
    work.then(done, done)
    await env.run(() => isDone, limitMs)
    return await work
  }
  return { env, client, unplugged, ask, queue, passing, dials: () => dials }
}

test('what queues behind a call to a dead server fails with it, and the others go on', async t => {
  const { unplugged, ask, queue, passing } = setUp()
  await passing(Promise.all([ask(0), ask(1)]))
  unplugged.add('s0')
  const [ended, other] = await passing(Promise.all([queue(0, 8), queue(1, 100)]))
  for (const { failed } of ended) t.regex(failed ?? '', /^EIO: getattr at s0/)
  t.true(ended[0]!.tookMs > operationDeadlineMs - 1_000, `${ended[0]!.tookMs}`)
  const tookMs = ended.reduce((sum, each) => sum + each.tookMs, 0)
  // The first attempt finds out only at its own end that nothing comes back: the outage begins there.
  t.true(tookMs < operationDeadlineMs + 10_000 + 8 * outageGraceMs, `${tookMs}`)
  for (const { tookMs } of ended.slice(2)) t.true(tookMs <= outageGraceMs, `${tookMs}`)
  t.true(other.every(({ tookMs, failed }) => tookMs === 0 && failed === null))
})

test('a server that is started again costs nobody an error, also soon after an outage', async t => {
  const { env, unplugged, ask, queue, passing } = setUp()
  await passing(ask(0))
  for (const awayMs of [5_000, 10_000, 20_000]) {
    unplugged.add('s0')
    env.timers.after(awayMs, () => unplugged.delete('s0'))
    const ended = await passing(queue(0, 3))
    t.deepEqual(
      ended.map(({ failed }) => failed),
      [null, null, null],
    )
  }
  unplugged.add('s0')
  await passing(queue(0, 3))
  unplugged.delete('s0')
  await env.advance(dialDeadlineMs + 1_000)
  t.is((await passing(ask(0))).failed, null)
  unplugged.add('s0')
  env.timers.after(20_000, () => unplugged.delete('s0'))
  t.is((await passing(ask(0))).failed, null)
})

test('a server that is back is there for the next call, however long it was away', async t => {
  const { env, unplugged, ask, queue, passing } = setUp()
  await passing(ask(0))
  unplugged.add('s0')
  await passing(queue(0, 100))
  unplugged.delete('s0')
  let refused = 0
  const startMs = env.clock.monotonicMs()
  while ((await passing(ask(0))).failed !== null) refused++
  const backMs = env.clock.monotonicMs() - startMs
  t.true(backMs <= dialDeadlineMs + outageGraceMs, `${backMs}`)
  t.true(refused * 2 <= dialDeadlineMs, `${refused}`)
})

test('what happened while nobody asked is no outage: the next call has all of its time', async t => {
  const { env, unplugged, ask, queue, passing } = setUp()
  await passing(ask(0))
  unplugged.add('s0')
  await passing(queue(0, 2))
  unplugged.delete('s0')
  // It comes and goes, and this client does not notice.
  await env.advance(dialDeadlineMs + outageGapMs + 1_000)
  unplugged.add('s0')
  env.timers.after(15_000, () => unplugged.delete('s0'))
  t.is((await passing(ask(0))).failed, null)
})

test('calls to a dead server do not dial it without a pause', async t => {
  const { env, unplugged, ask, queue, passing, dials } = setUp()
  await passing(ask(0))
  unplugged.add('s0')
  const before = dials()
  const startMs = env.clock.monotonicMs()
  await passing(Promise.all([queue(0, 200), queue(0, 200), queue(0, 200)]))
  const seconds = (env.clock.monotonicMs() - startMs) / 1000
  t.true(dials() - before <= seconds / 2 + 10, `${dials() - before} in ${seconds} s`)
})

test('what nobody serves is waited for once, too', async t => {
  const { queue, passing } = setUp()
  const ended = await passing(queue(2, 8))
  for (const { failed } of ended) t.regex(failed ?? '', /no replica of partition 2 is up/)
  const tookMs = ended.reduce((sum, each) => sum + each.tookMs, 0)
  t.true(tookMs > operationDeadlineMs - 1_000 && tookMs < operationDeadlineMs + 8 * outageGraceMs)
})

test('what a client asks by itself, for a file that is open, is no outage: the next call has all of its time', async t => {
  const { env, client, unplugged, ask, passing } = setUp()
  await passing(ask(0))
  client.opens.add(16)
  unplugged.add('s0')
  // Its session is renewed all the time.
  await env.advance(sessionTimeoutMs + 2 * operationDeadlineMs)
  env.timers.after(20_000, () => unplugged.delete('s0'))
  const { tookMs, failed } = await passing(ask(0))
  t.is(failed, null)
  t.true(tookMs <= 20_000 + 2 * dialDeadlineMs, `${tookMs}`)
})
