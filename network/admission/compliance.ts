/**
 * What proofs must do over every transport: who belongs to the cluster gets in and is known, anybody else gets a closed
 * connection, a counter and a bounded log.
 */
import type { ExecutionContext, SerialFn, TestFn } from 'ava'
import { makeIdentity } from '../identity/identity.ts'
import { maxUnprovenBodyBytes } from '../limits.ts'
import type { Connection } from '../transport/contract.ts'
import {
  dial,
  env,
  eventually,
  failure,
  helloOf,
  type ProvingTransport,
  recording,
  type SentFrame,
  TestCluster,
  TestListener,
  type TestMember,
} from './compliance-fixtures.ts'
import { serverIdOf } from './member-id.ts'
import type { RefusalReason } from './refusal.ts'

interface World {
  readonly cluster: TestCluster
  readonly server: TestMember
  readonly client: TestMember
  readonly listener: TestListener
}

export function proofCompliance(test: TestFn, over: ProvingTransport): void {
  // One after the other: a hundred handshakes at once keep each of them waiting until it is late.
  const claim: Claim = (words, run, made = test.serial) =>
    made(`${over.name}: ${words}`, async t => {
      const cluster = new TestCluster()
      const server = await cluster.member('server')
      const client = await cluster.member('client')
      const listener = await TestListener.start(over, server)
      t.teardown(() => listener.close())
      await run(t, { cluster, server, client, listener })
    })
  /** Is refused, counted under the reason, and a member still gets in. */
  const isRefused = async (
    t: ExecutionContext,
    world: World,
    work: Promise<unknown>,
    reason: RefusalReason,
  ) => {
    t.not(await failure(work), 'none')
    t.true(await eventually(() => world.listener.refused[reason] === 1))
    t.is(world.listener.serving.peers.size, 0)
    t.is(world.listener.logged.length, 1)
    const peer = await dial(over, world.listener, world.client)
    t.truthy(await peer.call('statfs', {}))
    await peer.close()
  }
  members(claim, over)
  strangers(claim, over, isRefused)
  impostors(claim, over, isRefused)
  removal(claim, over, isRefused)
  rawFrames(claim, over, isRefused)
  silence(claim, over, test)
}

type Claim = (
  words: string,
  run: (t: ExecutionContext, world: World) => Promise<void>,
  made?: TestFn | SerialFn,
) => void
type IsRefused = (
  t: ExecutionContext,
  world: World,
  work: Promise<unknown>,
  reason: RefusalReason,
) => Promise<void>

function members(claim: Claim, over: ProvingTransport): void {
  claim('two members prove their keys to each other', async (t, { listener, server, client }) => {
    const peer = await dial(over, listener, client)
    t.is(peer.peerId, server.peerId)
    t.like(peer.proven, { peerId: server.peerId, role: 'server', serial: server.serial })
    const [other] = listener.serving.peers
    t.is(other?.peerId, client.peerId)
    t.like(other?.proven, { peerId: client.peerId, role: 'client', serial: client.serial })
    t.truthy(await peer.call('statfs', {}))
    t.deepEqual(listener.refused, {})
    await peer.close()
  })

  claim('an administrator may act as a client', async (t, { cluster, listener }) => {
    const admin = await cluster.member('admin')
    const peer = await dial(over, listener, admin, { hello: { ...helloOf(admin), role: 'client' } })
    t.truthy(await peer.call('statfs', {}))
    await peer.close()
  })

  claim('a client that asks for what servers do is told so and cut off', async (t, world) => {
    const { listener, client } = world
    const peer = await dial(over, listener, client)
    t.is(await failure(peer.call('outcome', { transaction: 'x' })), 'NOT_ADMITTED')
    await peer.closed
    t.deepEqual(listener.refused, { wrong_role: 1 })
    t.is(listener.logged.length, 1)
  })

  claim('nobody but a manager can push a view', async (t, { cluster, listener, client }) => {
    const peer = await dial(over, listener, client)
    peer.notify('viewChanged', { view: null })
    await peer.closed
    t.deepEqual(listener.refused, { wrong_role: 1 })
    const manager = await cluster.member('manager')
    const other = await dial(over, listener, manager)
    t.truthy(await other.call('viewChanged', { view: null }))
    await other.close()
  })
}

function strangers(claim: Claim, over: ProvingTransport, isRefused: IsRefused): void {
  claim('who says hello without a proof is refused', async (t, world) => {
    const dialled = dial(over, world.listener, world.client, { isOpen: true })
    await isRefused(t, world, dialled, 'no_proof')
  })

  claim('a listener without a proof is refused', async (t, { server, client }) => {
    const listener = await TestListener.start(over, server, { isOpen: true })
    t.is(await failure(dial(over, listener, client)), 'NOT_ADMITTED')
    await listener.close()
  })

  claim('who has no certificate gets nothing from a server', async (t, world) => {
    const stranger = await world.cluster.member('client', { certificate: null, secret: null })
    await isRefused(t, world, dial(over, world.listener, stranger), 'no_proof')
  })

  claim('who has no certificate reaches a manager only where keys are proven', async (t, world) => {
    const { cluster } = world
    const listener = await TestListener.start(over, await cluster.member('manager'))
    const stranger = await cluster.member('client', { certificate: null, secret: null })
    const dialling = dial(over, listener, stranger, { hello: { ...helloOf(stranger), id: '' } })
    if (over.provesKeys) {
      const peer = await dialling
      t.is([...listener.serving.peers][0]?.proven, null)
      t.is([...listener.serving.peers][0]?.peerId, stranger.peerId)
      t.is(await failure(peer.call('statfs', {})), 'NOT_ADMITTED')
      t.deepEqual(listener.refused, { wrong_role: 1 })
    } else {
      t.is(await failure(dialling), 'NOT_ADMITTED')
      t.deepEqual(listener.refused, { no_proof: 1 })
    }
    await listener.close()
  })

  claim('a certificate of another cluster is refused', async (t, world) => {
    const other = await new TestCluster().member('client')
    const hello = { ...helloOf(other), cluster: '' }
    await isRefused(t, world, dial(over, world.listener, other, { hello }), 'wrong_cluster')
  })

  claim('a certificate that another authority signed is refused', async (t, world) => {
    const forger = new TestCluster(world.cluster.id)
    const { authority } = world.cluster
    const { secret } = world.cluster
    const forged = await forger.member('client', { authority: authority.publicKey, secret })
    await isRefused(t, world, dial(over, world.listener, forged), 'bad_signature')
  })

  claim('a certificate that was altered is refused', async (t, world) => {
    const { identity } = world.client.credentials
    const certificate = world.client.credentials.certificate?.slice() ?? new Uint8Array()
    certificate[4] = 3
    const altered = await world.cluster.member('client', { identity, certificate })
    await isRefused(t, world, dial(over, world.listener, altered), 'bad_signature')
  })
}

function impostors(claim: Claim, over: ProvingTransport, isRefused: IsRefused): void {
  claim('a certificate is worth nothing without its key', async (t, world) => {
    const { certificate } = world.client.credentials
    const identity = await makeIdentity()
    const thief = await world.cluster.member('client', { identity, certificate })
    const hello = helloOf(world.client)
    await isRefused(t, world, dial(over, world.listener, thief, { hello }), 'bad_signature')
  })

  claim('a client cannot pass for a server, nor for another client', async (t, world) => {
    const { client, listener, cluster } = world
    const own = helloOf(client)
    const another = helloOf(await cluster.member('client'))
    for (const lie of [
      { role: 'server' as const, id: serverIdOf(client.peerId) },
      { role: 'admin' as const },
      { id: another.id },
      { id: 'nonsense' },
    ]) {
      t.is(
        await failure(dial(over, listener, client, { hello: { ...own, ...lie } })),
        'NOT_ADMITTED',
      )
    }
    t.deepEqual(listener.refused, { wrong_role: 4 })
    t.is(listener.logged.length, 1)
  })

  claim('a server cannot pass for another one', async (t, world) => {
    const [one, other] = [
      await world.cluster.member('server'),
      await world.cluster.member('server'),
    ]
    await isRefused(
      t,
      world,
      dial(over, world.listener, one, { hello: helloOf(other) }),
      'wrong_role',
    )
  })

  claim('a dialler hangs up when another member answers than it dialled', async (t, world) => {
    const { cluster, client } = world
    const role = 'server' as const
    for (const impostor of [await cluster.member('client'), await cluster.member('server')]) {
      const listener = await TestListener.start(over, impostor)
      const expected = { role, id: serverIdOf(world.server.peerId) }
      t.is(await failure(dial(over, listener, client, { expected })), 'NOT_ADMITTED')
      t.is(listener.serving.peers.size, 0)
      await listener.close()
    }
    const expected = { role, id: serverIdOf(world.server.peerId) }
    const peer = await dial(over, world.listener, client, { expected })
    t.is(peer.peerId, world.server.peerId)
    await peer.close()
  })

  if (over.provesKeys) return
  claim('a certificate and its key are worth nothing without the secret', async (t, world) => {
    const { identity, certificate } = world.client.credentials
    const secret = new Uint8Array(32)
    const guessing = await world.cluster.member('client', { identity, certificate, secret })
    t.is(await failure(dial(over, world.listener, guessing)), 'NOT_ADMITTED')
    t.true(await eventually(() => world.listener.refused.no_proof === 1))
  })
}

function removal(claim: Claim, over: ProvingTransport, isRefused: IsRefused): void {
  claim('a member that was removed is refused', async (t, world) => {
    const { cluster, server, listener } = world
    const removed = await cluster.member('client')
    server.credentials.remove([removed])
    await isRefused(t, world, dial(over, listener, removed), 'removed')
    const { identity } = removed.credentials
    const again = await cluster.member('client', { identity })
    const peer = await dial(over, listener, again)
    t.is(peer.proven?.role, 'server')
    await peer.close()
  })

  claim('a member that is removed is cut off, and nobody else', async (t, world) => {
    const { cluster, server, listener, client } = world
    const other = await dial(over, listener, client)
    const removed = await cluster.member('client')
    const peer = await dial(over, listener, removed)
    server.credentials.remove([removed])
    t.not(await peer.closed, undefined)
    t.deepEqual(listener.refused, { removed: 1 })
    t.truthy(await other.call('statfs', {}))
    await other.close()
  })

  claim('a client cuts off a server that is removed, and dials it no more', async (t, world) => {
    const { server, listener, client } = world
    const peer = await dial(over, listener, client)
    client.credentials.remove([server])
    t.not(await peer.closed, undefined)
    t.is(await failure(dial(over, listener, client)), 'NOT_ADMITTED')
  })
}

function rawFrames(claim: Claim, over: ProvingTransport, isRefused: IsRefused): void {
  /** Says what was said before, on a new connection, one frame after each answer. */
  const replay = async (world: World, frames: readonly SentFrame[]): Promise<Connection> => {
    const { identity } = world.client.credentials
    const connection = await over.make(identity).dial(world.listener.serving.address)
    const left = [...frames]
    const next = () => {
      const frame = left.shift()
      if (frame !== undefined) connection.send(frame.header, frame.body)
    }
    connection.start({ frame: next, closed: () => undefined })
    next()
    return connection
  }

  claim('a handshake that was heard and is said again is refused', async (t, world) => {
    const sent: SentFrame[] = []
    const wrap = (transport: Parameters<typeof recording>[0]) => recording(transport, sent)
    const peer = await dial(over, world.listener, world.client, { wrap })
    await peer.close()
    t.is(sent.length, 2)
    const connection = await replay(world, sent)
    t.true(await eventually(() => world.listener.refused.replayed === 1))
    await connection.close()
    t.is(world.listener.serving.peers.size, 0)
  })

  if (!over.provesKeys) {
    claim('a proof that was heard fits no other connection', async (t, world) => {
      const heard: SentFrame[] = []
      const sent: SentFrame[] = []
      const wrap = (transport: Parameters<typeof recording>[0]) => recording(transport, heard)
      await (await dial(over, world.listener, world.client, { wrap })).close()
      const fresh = dial(over, world.listener, world.client, {
        wrap: transport => recording(replacing(transport, heard[1]), sent),
      })
      await isRefused(t, world, fresh, 'bad_signature')
    })
  }

  claim('a frame that is too large before the proof closes the connection', async (t, world) => {
    const { identity } = world.client.credentials
    const connection = await over.make(identity).dial(world.listener.serving.address)
    const header = { callId: 0, kind: 1, operation: 1, partition: 0, epoch: 0 } as const
    const closed = new Promise(resolve => {
      connection.start({ frame: () => undefined, closed: resolve })
    })
    connection.send(header, new Uint8Array(maxUnprovenBodyBytes + 1))
    await closed
    t.true(await eventually(() => world.listener.refused.malformed === 1))
  })
}

/** It is waited for, beside the others. */
function silence(claim: Claim, over: ProvingTransport, beside: TestFn): void {
  claim(
    'who says nothing is closed',
    async (t, world) => {
      const { identity } = world.client.credentials
      const connection = await over.make(identity).dial(world.listener.serving.address)
      const startedMs = env.clock.monotonicMs()
      await new Promise(resolve => {
        connection.start({ frame: () => undefined, closed: resolve })
      })
      t.true(env.clock.monotonicMs() - startedMs > 1_000)
      t.true(await eventually(() => world.listener.refused.timeout === 1))
    },
    beside,
  )
}

/** Sends what was heard in place of the second frame. */
function replacing(
  transport: Parameters<typeof recording>[0],
  heard: SentFrame | undefined,
): Parameters<typeof recording>[0] {
  return {
    schemes: transport.schemes,
    listen: transport.listen.bind(transport),
    async dial(address, signal) {
      const connection = await transport.dial(address, signal)
      let count = 0
      return new Proxy(connection, {
        get(target, name: keyof Connection) {
          const value: unknown = target[name]
          if (name !== 'send') return typeof value === 'function' ? value.bind(target) : value
          return (header: SentFrame['header'], body: Uint8Array) =>
            target.send(header, ++count === 2 && heard !== undefined ? heard.body : body)
        },
      })
    },
  }
}
