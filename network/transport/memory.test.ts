import test from 'ava'
import { realEnv } from '../env/real.ts'
import { SimulatedEnv } from '../env/simulated.ts'
import { ClusterError } from '../errors.ts'
import { transportCompliance } from './compliance.ts'
import { type Connection, type FrameHeader, frameKind } from './contract.ts'
import { MemoryNetwork, type MemoryNetworkOptions } from './memory.ts'

transportCompliance(test, 'memory', async () => ({
  transport: new MemoryNetwork(realEnv()).transport('here'),
  address: 'memory:here',
  deadAddress: 'memory:nowhere',
}))

transportCompliance(test, 'memory with delay', async () => ({
  transport: new MemoryNetwork(realEnv(), { mostDelayMs: 2 }).transport('here'),
  address: 'memory:here',
  deadAddress: 'memory:nowhere',
}))

const none = new Uint8Array(0)
const header: FrameHeader = {
  callId: 0,
  kind: frameKind.notice,
  operation: 1,
  partition: 0,
  epoch: 0,
}

async function simulatedPair(seed: number, options?: MemoryNetworkOptions) {
  const env = new SimulatedEnv({ seed })
  const network = new MemoryNetwork(env, options)
  const got: { readonly callId: number; readonly atMs: number }[] = []
  const ends: (ClusterError | undefined)[] = []
  let far: Connection | undefined
  await network.transport('b').listen('memory:b', connection => {
    far = connection
    connection.start({
      frame: ({ callId }) => got.push({ callId, atMs: env.clock.monotonicMs() }),
      closed: error => ends.push(error),
    })
  })
  let near: Connection | undefined
  const dialling = network
    .transport('a')
    .dial('memory:b')
    .then(connection => {
      near = connection
    })
  await env.run(() => near !== undefined)
  await dialling
  near!.start({ frame: () => undefined, closed: error => ends.push(error) })
  return { env, network, near: near!, far: far!, got, ends }
}

test('delays come from the seed and keep the order', async t => {
  const run = async (seed: number) => {
    const { env, near, got } = await simulatedPair(seed, { leastDelayMs: 1, mostDelayMs: 20 })
    for (let i = 0; i < 50; i++) {
      near.send({ ...header, callId: i }, none)
      await env.advance(1)
    }
    await env.advance(100)
    return got
  }
  const first = await run(1)
  t.deepEqual(
    first.map(({ callId }) => callId),
    Array.from({ length: 50 }, (_, i) => i),
  )
  t.deepEqual(await run(1), first)
  t.notDeepEqual(await run(2), first)
})

test('a partition is silent, and what it cut breaks when it heals', async t => {
  const { env, network, near, got, ends } = await simulatedPair(3)
  network.partition('a', 'b')
  near.send(header, none)
  await env.advance(60_000)
  t.deepEqual([got.length, ends.length], [0, 0])
  network.heal('a', 'b')
  await env.advance(0)
  t.deepEqual(
    ends.map(error => error?.code),
    ['CLOSED', 'CLOSED'],
  )
})

test('a partition in which nothing was sent leaves the connection as it was', async t => {
  const { env, network, near, got, ends } = await simulatedPair(4)
  network.partition('b', 'a')
  await env.advance(1000)
  network.heal('a', 'b')
  near.send(header, none)
  await env.advance(0)
  t.deepEqual([got.length, ends.length], [1, 0])
})

test('a dial across a partition times out', async t => {
  const { env, network } = await simulatedPair(5)
  network.partition('a', 'b')
  const dialling = network
    .transport('a')
    .dial('memory:b')
    .catch((error: unknown) => error)
  await env.advance(2000)
  const error = await dialling
  t.true(error instanceof ClusterError && error.code === 'TIMEOUT')
})

test('loss breaks the connection at both ends rather than losing a frame', async t => {
  const { env, near, got, ends } = await simulatedPair(6, { lossRate: 0.1 })
  let sent = 0
  try {
    for (; sent < 1000; sent++) near.send({ ...header, callId: sent }, none)
  } catch {
    t.true(sent < 1000)
  }
  await env.advance(10)
  t.deepEqual(
    ends.map(error => error?.code),
    ['CLOSED', 'CLOSED'],
  )
  t.deepEqual(
    got.map(({ callId }) => callId),
    got.map((_, i) => i),
  )
})

test('a crash breaks the connections of the endpoint and frees its address', async t => {
  const { env, network, ends } = await simulatedPair(7)
  network.crash('b')
  await env.advance(1)
  t.deepEqual(
    ends.map(error => error?.code),
    ['CLOSED', 'CLOSED'],
  )
  const dialling = network
    .transport('a')
    .dial('memory:b')
    .catch((error: unknown) => error)
  await env.advance(1)
  const error = await dialling
  t.true(error instanceof ClusterError && error.code === 'UNREACHABLE')
})

test('the two ends share no memory', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const network = new MemoryNetwork(env)
  const received: Uint8Array[] = []
  await network.transport('b').listen('memory:b', connection =>
    connection.start({
      frame: (_header, body, payload) => received.push(body, ...payload),
      closed: () => undefined,
    }),
  )
  let near: Connection | undefined
  void network
    .transport('a')
    .dial('memory:b')
    .then(connection => {
      near = connection
    })
  await env.run(() => near !== undefined)
  const body = Buffer.of(1)
  const payload = Buffer.of(2)
  near!.send(header, body, [payload])
  body[0] = 9
  payload[0] = 9
  await env.advance(1)
  t.deepEqual(received, [Uint8Array.of(1), Uint8Array.of(2)])
})
