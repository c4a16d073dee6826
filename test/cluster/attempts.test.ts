/**
 * The attempts that must fail, at a manager and a server that are processes of their own. Of each: the connection is
 * closed, `/metrics` counts it under its reason, the log stays short, and the cluster's own reading and writing goes on.
 */
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { readExposition } from '../../cli/exposition.test-support.ts'
import { type Connection, connect } from '../../client/library.ts'
import {
  dial,
  env,
  failure,
  helloOf,
  type ProvingTransport,
  recording,
  type SentFrame,
  TestCluster,
  type TestMember,
} from '../../network/admission/compliance-fixtures.ts'
import { MemberCredentials } from '../../network/admission/credentials.ts'
import { readCredentials } from '../../network/admission/kept.ts'
import { decodeToken } from '../../network/admission/token.ts'
import { makeIdentity } from '../../network/identity/identity.ts'
import { maxUnproven } from '../../network/limits.ts'
import { silentLog as log } from '../../network/log.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import { Libp2pTransport } from '../../network/transport/libp2p.ts'
import { SocketTransport } from '../../network/transport/socket.ts'
import { clusterRootIno } from '../../network/wire/ids.ts'
import { eventually } from './eventually.ts'
import { type Machine, makeMachines, printed, type Running } from './machines.ts'

const tcp: ProvingTransport = {
  ...{ name: 'tcp', provesKeys: false, address: () => '' },
  make: () => new SocketTransport(env),
}
const libp2p: ProvingTransport = {
  ...{ name: 'libp2p', provesKeys: true, address: () => '' },
  make: identity => new Libp2pTransport(env, identity),
}

/** So often each is made, but for the crowd. */
const times = 12
const crowdCount = 10_000
const waveCount = 250
/** One line of the log covers so much time. */
const logPeriodMs = 10_000

/** A process, and where it is spoken to. */
interface Target {
  readonly running: Running
  readonly address: string
  readonly page: string
}

interface World {
  readonly manager: Target
  readonly server: Target
  readonly client: TestMember
  readonly removed: TestMember
  readonly used: Uint8Array
  readonly expired: Uint8Array
  readonly io: SteadyIo
}

/** A member of the cluster that writes and reads all the while. */
class SteadyIo {
  readonly #files: Connection
  #isOver = false
  readonly #done: Promise<void>
  rounds = 0
  slowestMs = 0

  constructor(files: Connection) {
    this.#files = files
    this.#done = this.#run()
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const startMs = performance.now()
      const text = `round ${this.rounds}`
      await this.#files.writeFile('/io', text)
      if ((await this.#files.readFile('/io', 'utf8')) !== text) throw new Error('other bytes')
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs)
      this.rounds++
      await env.timers.sleep(5)
    }
  }

  /** @throws what a write or a read threw. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.#done
    await this.#files.close()
  }
}

async function target(running: Running, form: RegExp): Promise<Target> {
  await running.says(' is up')
  const address = form.exec(running.text)?.[0] ?? ''
  const page = /http:\/\/127\.0\.0\.1:\d+\//.exec(running.text)?.[0] ?? ''
  return { running, address, page }
}

async function memberOf(machine: Machine): Promise<TestMember> {
  const kept = (await readCredentials(`${machine.home}/client`))!
  const { role, credentials } = kept
  return { role, credentials, peerId: credentials.identity.peerId, serial: 0 }
}

async function makeWorld(t: ExecutionContext): Promise<World> {
  const machines = await makeMachines(t, { names: ['boss', 'disks', 'user', 'shut'] })
  const [boss, disks, user, shut] = machines as [Machine, Machine, Machine, Machine]
  const open = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0']
  const manager = await target(
    boss.start(
      ...['manager', '--dir', boss.home, '--partitions', '16', '--no-mdns', '--servers', '1'],
      ...open,
    ),
    /libp2p:\/\/127\.0\.0\.1:\d+\/\w+/,
  )
  const token = (...more: readonly string[]) =>
    printed(t, boss.rookery(['token', 'create'], ...more))
  const usedToken = await token()
  const { directory } = disks
  const places = ['--meta-dir', `${directory}/meta`, '--data-dir', `${directory}/data`]
  const joining = disks.start('join', usedToken, ...places, ...open)
  const server = await target(joining, /tcp:\/\/127\.0\.0\.1:\d+/)
  const expired = await token('--expires', '1s')
  await printed(t, boss.rookery(['volume', 'create'], 'default'))
  for (const machine of [user, shut]) {
    await printed(t, machine.rookery(['join'], await token('--role', 'client')))
  }
  const [client, removed] = [await memberOf(user), await memberOf(shut)]
  await printed(t, boss.rookery(['key', 'remove'], removed.peerId))
  const { credentials } = client
  const managers = [manager.address]
  const io = new SteadyIo(await connect({ credentials, managers, volume: 'default', log }))
  const secretOf = (text: string) => decodeToken(text).secret
  const secrets = { used: secretOf(usedToken), expired: secretOf(expired) }
  return { manager, server, client, removed, io, ...secrets }
}

async function refusals({ page }: Target, reasons: readonly string[]): Promise<number> {
  const { values } = readExposition(await (await fetch(`${page}metrics`)).text())
  return reasons.reduce(
    (sum, reason) => sum + (values.get(`rookery_refusals_total{reason="${reason}"}`) ?? 0),
    0,
  )
}

/** Lines of a log that are about more than what goes its way. */
function complaints({ running }: Target): number {
  return running.text
    .split('\n')
    .filter(line => /refused|cut the connection|WARN|"level":[4-6]0/i.test(line)).length
}

interface Attempt {
  readonly at: 'manager' | 'server'
  readonly reasons: readonly string[]
  readonly count?: number
  /** Resolves when the other side has closed what was opened. */
  readonly make: (t: ExecutionContext, world: World) => Promise<void>
}

const at = ({ address }: Target) => ({ serving: { address } }) as Parameters<typeof dial>[1]

async function stranger(cluster: string, authority: Uint8Array): Promise<TestMember> {
  const identity = await makeIdentity()
  const parts = { identity, certificate: null, cluster, authority, secret: null }
  const credentials = new MemberCredentials(parts)
  return { role: 'client', credentials, peerId: identity.peerId, serial: 0 }
}

/** Somebody of whom the manager knows nothing: connected, as it is over libp2p. */
async function strangerAt({ manager, client }: World): Promise<Peer> {
  const { cluster, authority } = client.credentials
  const unknown = await stranger(cluster, authority)
  return dial(libp2p, at(manager), unknown, { hello: { ...helloOf(unknown), id: '' } })
}

async function admitted(t: ExecutionContext, world: World, token: Uint8Array): Promise<void> {
  const peer = await strangerAt(world)
  t.is(await failure(peer.call('admit', { token, role: 'server', name: 's' })), 'BAD_TOKEN')
  await peer.closed
}

function silentSocket({ address }: Target): Promise<Socket> {
  const { hostname: host, port } = new URL(address)
  return new Promise(resolve => {
    const socket = createConnection({ host, port: Number(port) })
    socket.on('error', () => undefined)
    socket.once('close', () => resolve(socket))
    socket.once('connect', () => resolve(socket))
    socket.resume()
  })
}

const attempts: Readonly<Record<string, Attempt>> = {
  'to join without a token': {
    ...{ at: 'manager', reasons: ['wrong_role'] },
    async make(t, world) {
      const peer = await strangerAt(world)
      t.is(await failure(peer.call('listKeys', {})), 'NOT_ADMITTED')
      await peer.closed
    },
  },
  'with a token that was used': {
    ...{ at: 'manager', reasons: ['bad_token'] },
    make: (t, world) => admitted(t, world, world.used),
  },
  'with a token that has expired': {
    ...{ at: 'manager', reasons: ['bad_token'] },
    make: (t, world) => admitted(t, world, world.expired),
  },
  'with a token of another cluster': {
    ...{ at: 'manager', reasons: ['wrong_cluster'] },
    async make(t, { manager }) {
      const other = new TestCluster()
      const unknown = await stranger(other.id, other.authority.publicKey)
      const hello = { ...helloOf(unknown), id: '' }
      t.is(await failure(dial(libp2p, at(manager), unknown, { hello })), 'WRONG_CLUSTER')
    },
  },
  'with a client’s key at what servers do': {
    ...{ at: 'server', reasons: ['wrong_role'] },
    async make(t, { server, client }) {
      const peer = await dial(tcp, at(server), client)
      t.is(await failure(peer.call('outcome', { transaction: 'x' })), 'NOT_ADMITTED')
      await peer.closed
    },
  },
  'as a member that was removed': {
    ...{ at: 'server', reasons: ['removed'] },
    async make(t, { server, removed }) {
      t.is(await failure(dial(tcp, at(server), removed)), 'REMOVED')
    },
  },
  'with a handshake that was heard': {
    ...{ at: 'server', reasons: ['replayed'] },
    async make(_, { server, client }) {
      const sent: SentFrame[] = []
      const wrap = (transport: Parameters<typeof recording>[0]) => recording(transport, sent)
      await (await dial(tcp, at(server), client, { wrap })).close()
      const connection = await tcp.make(client.credentials.identity).dial(server.address)
      const closed = Promise.withResolvers<void>()
      const next = () => {
        const frame = sent.shift()
        if (frame !== undefined) connection.send(frame.header, frame.body)
      }
      connection.start({ frame: next, closed: () => closed.resolve() })
      next()
      await closed.promise
    },
  },
  'with what is no frame': {
    ...{ at: 'server', reasons: ['malformed'] },
    async make(_, { server }) {
      const socket = await silentSocket(server)
      const closed = once(socket, 'close')
      socket.write('GET / HTTP/1.1\r\nHost: somebody\r\n\r\n')
      await closed
    },
  },
  'with an epoch that has never been': {
    ...{ at: 'server', reasons: ['forged_epoch'] },
    async make(t, { server, client }) {
      const peer = await dial(tcp, at(server), client)
      await peer.call('session', { opens: [] })
      const forged = { partition: 0, epoch: 2 ** 30 }
      t.is(await failure(peer.call('getattr', { ino: clusterRootIno }, forged)), 'STALE_EPOCH')
      await peer.closed
    },
  },
  'by ten thousand connections that say nothing': {
    ...{ at: 'server', reasons: ['crowd', 'timeout', 'no_proof'], count: 1 },
    make: crowd,
  },
}

async function crowd(t: ExecutionContext, { server, io }: World): Promise<void> {
  const sockets = new Set<Socket>()
  const before = await refusals(server, ['crowd', 'timeout', 'no_proof'])
  for (let count = 0; count < crowdCount; count += waveCount) {
    const { rounds } = io
    const wave = await Promise.all(Array.from({ length: waveCount }, () => silentSocket(server)))
    for (const socket of wave) {
      if (socket.destroyed) continue
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
    await eventually('others are served', () => io.rounds > rounds)
  }
  await eventually('no more are open than there is room for', () => sockets.size <= maxUnproven)
  await eventually('all are closed in time', () => sockets.size === 0)
  const counted = (await refusals(server, ['crowd', 'timeout', 'no_proof'])) - before
  t.true(counted >= crowdCount, `${counted} are counted`)
}

test.serial(
  'what must not get in is cut off, counted and logged in few words, and the cluster goes on',
  async t => {
    t.timeout(300_000)
    const world = await makeWorld(t)
    await env.timers.sleep(1_500)
    for (const [what, { at: where, reasons, count = times, make }] of Object.entries(attempts)) {
      const reached = world[where]
      const { rounds } = world.io
      const [counted, lines] = [await refusals(reached, reasons), complaints(reached)]
      const startMs = performance.now()
      for (let time = 0; time < count; time++) await make(t, world)
      await eventually(
        `${what}: it is counted`,
        async () => (await refusals(reached, reasons)) >= counted + count,
      )
      const periods = Math.ceil((performance.now() - startMs) / logPeriodMs)
      const more = complaints(reached) - lines
      t.true(more <= periods + 1, `${what}: ${more} lines in ${reached.running.text.slice(-2_000)}`)
      await eventually(`${what}: the cluster goes on`, () => world.io.rounds > rounds)
      t.log(
        `${what}: ${(await refusals(reached, reasons)) - counted} counted, ${more} lines, ${world.io.rounds - rounds} rounds`,
      )
    }
    t.log(`the slowest round took ${Math.round(world.io.slowestMs)} ms`)
    await world.io.stop()
  },
)
