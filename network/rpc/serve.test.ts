import test from 'ava'
import { SimulatedEnv } from '../env/simulated.ts'
import { ClusterError } from '../errors.ts'
import { protocolVersion } from '../limits.ts'
import { type FrameHeader, frameKind } from '../transport/contract.ts'
import { MemoryNetwork } from '../transport/memory.ts'
import { encodeBody } from '../wire/codec.ts'
import { type HelloRequest, operationNumbers } from '../wire/operations.ts'
import { connect } from './connect.ts'
import type { Peer } from './contract.ts'
import { type ServeOptions, serve } from './serve.ts'

const server: HelloRequest = { version: protocolVersion, cluster: 'c1', role: 'server', id: 's1' }
const client: HelloRequest = { version: protocolVersion, cluster: 'c1', role: 'client', id: 'k1' }
const hello: FrameHeader = {
  callId: 0,
  kind: frameKind.request,
  operation: operationNumbers.hello,
  partition: 0,
  epoch: 0,
}

async function serving(options: Partial<ServeOptions> = {}) {
  const env = new SimulatedEnv({ seed: 1 })
  const transport = new MemoryNetwork(env).transport('x')
  const logged: string[] = []
  const served = await serve({
    env,
    transport,
    address: 'memory:x',
    hello: server,
    service: {},
    log: message => logged.push(message),
    ...options,
  })
  const end = async <T>(work: Promise<T>): Promise<T | ClusterError> => {
    let ended = false
    const outcome = work.then(
      value => value,
      (error: unknown) => {
        if (error instanceof ClusterError) return error
        throw error
      },
    )
    const done = outcome.finally(() => {
      ended = true
    })
    await env.run(() => ended)
    return done
  }
  const dial = (own: HelloRequest) =>
    end(connect({ env, transport, address: 'memory:x', hello: own, service: {} }))
  return { env, transport, served, logged, dial, end }
}

test('another version is refused by name of both', async t => {
  const { dial, served, logged } = await serving()
  const error = await dial({ ...client, version: 99 })
  t.true(error instanceof ClusterError && error.code === 'VERSION_MISMATCH')
  t.regex(String(error), new RegExp(`version ${protocolVersion}.*version 99`))
  t.is(served.peers.size, 0)
  t.is(logged.length, 1)
})

test('another cluster is refused, an unknown one is welcome', async t => {
  const { dial } = await serving()
  const error = await dial({ ...client, cluster: 'c2' })
  t.true(error instanceof ClusterError && error.code === 'WRONG_CLUSTER')
  const peer = await dial({ ...client, cluster: '' })
  t.false(peer instanceof ClusterError)
})

test('admit refuses with its own words, accept sees who was let in', async t => {
  const accepted: Peer[] = []
  const { dial } = await serving({
    accept: peer => accepted.push(peer),
    admit(other) {
      if (other.id === 'evil') throw new ClusterError('NOT_READY', 'come back later')
    },
  })
  const error = await dial({ ...client, id: 'evil' })
  t.true(error instanceof ClusterError && error.message === 'NOT_READY: come back later')
  await dial(client)
  t.deepEqual(
    accepted.map(peer => peer.hello.id),
    ['k1'],
  )
})

test('the hello of a server may change between two peers', async t => {
  let cluster = ''
  const { dial } = await serving({ hello: () => ({ ...server, cluster }) })
  await dial(client)
  cluster = 'c9'
  const error = await dial(client)
  t.true(error instanceof ClusterError && error.code === 'WRONG_CLUSTER')
})

async function stranger(send: (say: (header: FrameHeader, body: Uint8Array) => void) => void) {
  const world = await serving()
  const { env, transport } = world
  let ended: ClusterError | undefined | 'no' = 'no'
  const kinds: number[] = []
  const near = await world.end(transport.dial('memory:x'))
  if (near instanceof ClusterError) throw near
  near.start({
    frame: header => kinds.push(header.kind),
    closed: error => {
      ended = error
    },
  })
  send((header, body) => {
    near.send(header, body)
  })
  await env.advance(1)
  const early = ended
  await env.advance(5000)
  return { ...world, kinds, early, late: ended }
}

test('anything before hello closes the connection and is counted', async t => {
  const { early, served, logged } = await stranger(say =>
    say({ ...hello, operation: operationNumbers.lookup }, encodeBody({ parent: 1, name: 'x' })),
  )
  t.not(early, 'no')
  t.is(served.peers.size, 0)
  t.is(logged.length, 1)
})

test('a hello that is none is refused', async t => {
  for (const body of [{}, 5, null, { ...client, role: 'king' }, { ...client, id: 7 }]) {
    const { early, kinds } = await stranger(say => say(hello, encodeBody(body)))
    t.not(early, 'no')
    t.deepEqual(kinds, [frameKind.error])
  }
})

test('silence is closed after the deadline, and not before', async t => {
  const { early, late } = await stranger(() => undefined)
  t.is(early, 'no')
  t.not(late, 'no')
})

test('what comes behind a refused hello is not looked at', async t => {
  const { kinds, served } = await stranger(say => {
    say(hello, encodeBody({ ...client, version: protocolVersion + 1 }))
    say(hello, encodeBody(client))
  })
  t.deepEqual(kinds, [frameKind.error])
  t.is(served.peers.size, 0)
})

test('refusals are counted, and logged once in a while', async t => {
  const { dial, env, logged } = await serving()
  for (let i = 0; i < 20; i++) await dial({ ...client, version: protocolVersion + 1 })
  t.is(logged.length, 1)
  await env.advance(10_000)
  await dial({ ...client, version: protocolVersion + 1 })
  t.is(logged.length, 2)
  t.regex(logged[1]!, /19 more/)
})

test('a cancelled connect says so and leaves nothing behind', async t => {
  const { env, transport, served, end } = await serving()
  const controller = new AbortController()
  const { signal } = controller
  const options = { env, transport, address: 'memory:x', hello: client, service: {}, signal }
  const connecting = connect(options)
  controller.abort()
  const error = await end(connecting)
  t.true(error instanceof ClusterError && error.code === 'CANCELLED')
  await env.advance(1)
  t.is(served.peers.size, 0)
})

test('close takes leave of the peers and of strangers', async t => {
  const { dial, served, end, transport } = await serving()
  const peer = await dial(client)
  const mute = await end(transport.dial('memory:x'))
  t.false(mute instanceof ClusterError)
  await end(served.close())
  t.is(peer instanceof ClusterError ? 'none' : await peer.closed, undefined)
  const error = await dial(client)
  t.true(error instanceof ClusterError && error.code === 'UNREACHABLE')
})
