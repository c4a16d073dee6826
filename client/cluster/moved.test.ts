/** What a client tells servers of what it has open and locked, when partitions go from one to the other. */
import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError } from '../../network/errors.ts'
import { sessionTimeoutMs, viewAsksAtATime } from '../../network/limits.ts'
import { lastLockByte, lockType } from '../../network/locks/ranges.ts'
import { silentLog } from '../../network/log.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import { type Ino, makeIno } from '../../network/wire/ids.ts'
import type {
  OperationName,
  ReclaimLocksRequest,
  SessionRequest,
} from '../../network/wire/operations.ts'
import type { MemberId, View } from '../../network/wire/view.ts'
import { viewToWire } from '../../network/wire/wire-view.ts'
import { ClusterClient } from './cluster.ts'

const file = makeIno(0, 5)
const other = makeIno(2, 5)
const exclusive = { start: 0n, end: lastLockByte, type: lockType.write, pid: 5 }

/** Servers that are down, and are asked first. */
const strangers = Array.from({ length: 2 * viewAsksAtATime }, (_, index) => `stranger${index}`)

/** Partitions 0 and 2 at server a, 1 at server b. */
function setUp(strangers: readonly MemberId[] = []) {
  const env = new SimulatedEnv({ seed: 1 })
  const calls: { readonly to: MemberId; readonly name: OperationName; readonly body: object }[] = []
  /** Called when a reply is about to leave. */
  let answering: (to: MemberId, name: OperationName) => Promise<void> = async () => undefined
  const listeners: ((view: View) => void)[] = []
  const held = ['a', 'b', 'a'].map(id => ({ replicas: [id], inSync: [id], primary: id, epoch: 1 }))
  const members = [...strangers, 'a', 'b'].map(id => {
    const where = { addresses: [], host: '', domain: '' }
    return { id, role: 'server' as const, name: id, ...where, weight: 1 }
  })
  const membership = {
    partitionCount: 3,
    view: { cluster: 'test', epoch: 1, members, partitions: held, replicaCount: 1 } as View,
    connected: true as boolean,
    onView: (listener: (view: View) => void) => void listeners.push(listener),
    adopt: (view: View) => show(view),
    close: async () => {},
  }
  const show = (view: View) => {
    membership.view = view
    for (const listener of listeners) listener(view)
  }
  /** As the servers have it. */
  let published = membership.view
  const down = new Set<MemberId>(strangers)
  const dial = async (to: MemberId): Promise<Peer> => {
    if (down.has(to)) throw new ClusterError('UNREACHABLE', `${to} is down`)
    const call = async (name: OperationName, body: object) => {
      if (down.has(to)) throw new ClusterError('CLOSED', `${to} is down`)
      calls.push({ to, name, body })
      await answering(to, name)
      const { ino = 0 } = body as { ino?: Ino }
      const replies = {
        setLock: { outcome: 'done' },
        reclaimLocks: { lost: [] },
        session: { boot: to, epoch: published.epoch },
        view: { view: viewToWire(published) },
      }
      const reply = { ...replies, open: { attributes: { ino } } } as Record<string, object>
      return { body: reply[name] ?? {}, payload: [] }
    }
    const closed = new Promise<ClusterError>(() => undefined)
    const peer = { remote: to, call, notify: () => {}, closed, abort: () => {} }
    return { ...peer, close: async () => undefined } as unknown as Peer
  }
  const client = new ClusterClient({ env, log: silentLog, membership, dial })
  /** The servers alone hear of it. */
  const moveUnseen = (
    to: MemberId,
    partitions: readonly number[],
    left: readonly MemberId[] = [],
  ) => {
    const view = published
    const moved = view.partitions.map((state, partition) =>
      partitions.includes(partition)
        ? { replicas: [to], inSync: [to], primary: to, epoch: state.epoch + 4 }
        : state,
    )
    const stay = view.members.filter(({ id }) => !left.includes(id))
    published = { ...view, epoch: view.epoch + 4, members: stay, partitions: moved }
  }
  /** The client hears only of what has become of all these moves. */
  const move = (to: MemberId, partitions: readonly number[], left: readonly MemberId[] = []) => {
    moveUnseen(to, partitions, left)
    show(published)
  }
  const told = <T>(to: MemberId, name: OperationName) =>
    calls.findLast(call => call.to === to && call.name === name)?.body as T | undefined
  const opensAt = (to: MemberId) => {
    return (told<SessionRequest>(to, 'session')?.opens ?? []).map(({ ino }) => ino)
  }
  const locksAt = (to: MemberId) => {
    return (told<ReclaimLocksRequest>(to, 'reclaimLocks')?.owners ?? []).map(({ ino }) => ino)
  }
  const meanwhile = (run: (to: MemberId, name: OperationName) => Promise<void>) => {
    answering = run
  }
  return { env, client, calls, move, opensAt, locksAt, meanwhile, membership, moveUnseen, down }
}

const open = (client: ClusterClient, ino: Ino) =>
  client.mutate('open', ino === file ? 0 : 2, { ino, truncate: false, wantData: false })

test('what is opened while its partition goes elsewhere is open there, though the reply comes late', async t => {
  const { env, client, move, opensAt, meanwhile } = setUp()
  await client.query('getattr', 1, { ino: makeIno(1, 5) })
  meanwhile(async (_to, name) => {
    if (name !== 'open') return
    move('b', [0])
    await env.timers.sleep(10)
  })
  const opening = open(client, file)
  await env.advance(1_000)
  await opening
  t.deepEqual(opensAt('b'), [file])
})

test('what goes to a server while it is being told of other files is told there, too', async t => {
  const { env, client, move, opensAt, meanwhile } = setUp()
  await open(client, file)
  await open(client, other)
  meanwhile(async (to, name) => {
    if (to !== 'b' || name !== 'session') return
    meanwhile(async () => undefined)
    move('b', [2])
    await env.timers.sleep(10)
  })
  move('b', [0])
  await env.advance(1_000)
  t.deepEqual(opensAt('b'), [file, other])
})

test('locks are told to the next server also when the one of before has left in the same view', async t => {
  const { env, client, move, locksAt } = setUp()
  const owner = { ino: file, flock: false, owner: 1n }
  await client.locks.set(owner, exclusive, null)
  move('b', [0, 2], ['a'])
  await env.advance(1_000)
  t.deepEqual(locksAt('b'), [file])
})

test('locks are told again to a server whose partition was elsewhere for a moment, unseen', async t => {
  const { env, client, move, locksAt, calls } = setUp()
  const owner = { ino: file, flock: false, owner: 1n }
  await client.locks.set(owner, exclusive, null)
  t.false(calls.some(({ name }) => name === 'reclaimLocks'))
  move('a', [0])
  await env.advance(1_000)
  t.deepEqual(locksAt('a'), [file])
})

test('a lock that was granted while its partition goes elsewhere is told there', async t => {
  const { env, client, move, locksAt, meanwhile } = setUp()
  await client.query('getattr', 1, { ino: makeIno(1, 5) })
  meanwhile(async (_to, name) => {
    if (name !== 'setLock') return
    move('b', [0])
    await env.timers.sleep(10)
  })
  const locking = client.locks.set({ ino: file, flock: false, owner: 1n }, exclusive, null)
  await env.advance(1_000)
  await locking
  t.deepEqual(locksAt('b'), [file])
})

test('nobody is told anything when partitions go where nothing is open', async t => {
  const { env, client, move, calls } = setUp()
  await open(client, file)
  const before = calls.length
  move('b', [2])
  await env.advance(1_000)
  t.is(calls.length, before)
})

test('a client that no manager reaches is told by servers where its open files are, though it is busy elsewhere', async t => {
  const { env, client, moveUnseen, membership, opensAt, calls } = setUp(strangers)
  await open(client, file)
  membership.connected = false
  moveUnseen('b', [0])
  for (let ms = 0; ms < sessionTimeoutMs / 2; ms += 1_000) {
    await client.query('getattr', 2, { ino: other })
    await env.advance(1_000)
  }
  t.deepEqual(opensAt('b'), [file])
  const fetched = calls.filter(({ name }) => name === 'view').length
  await env.advance(sessionTimeoutMs)
  t.is(calls.filter(({ name }) => name === 'view').length, fetched)
})

test('a client that no manager reaches hears of what has become of a dead server from those it had nothing to ask', async t => {
  const { env, client, moveUnseen, membership, opensAt, down } = setUp(strangers)
  await open(client, file)
  membership.connected = false
  down.add('a')
  moveUnseen('b', [0, 2])
  await env.advance(sessionTimeoutMs - 1)
  t.deepEqual(opensAt('b'), [file])
})

test('a client that a manager tells of views asks no server for one', async t => {
  const { env, client, calls } = setUp()
  await open(client, file)
  await env.advance(sessionTimeoutMs)
  t.false(calls.some(({ to, name }) => name === 'view' || to === 'b'))
})
