import test from 'ava'
import type { ClusterError } from '../network/errors.ts'
import {
  failureTimeoutMs,
  managerRetryLongestDelayMs,
  maxManagerAddresses,
  maxMovesOfServer,
  protocolVersion,
  sessionTimeoutMs,
} from '../network/limits.ts'
import { firstView } from '../network/membership/first-view.ts'
import type { Membership } from '../network/membership/membership.ts'
import { connect } from '../network/rpc/connect.ts'
import { serve } from '../network/rpc/serve.ts'
import type { MemberReport } from '../network/wire/view.ts'
import { viewFromWire } from '../network/wire/wire-view.ts'
import { MembershipWorld, managerAddress } from './membership-world.ts'

let seed = 100

async function worldOf(serversWanted: number, names: readonly string[]) {
  const world = new MembershipWorld({ seed: seed++, serversWanted })
  const manager = await world.startManager()
  const members: Membership[] = []
  for (const name of names) members.push(await world.join(name))
  await world.env.advance(100)
  return { world, manager, members }
}

test('servers wait for one another, then all get the same first view', async t => {
  const { world, manager, members } = await worldOf(3, ['a', 'b'])
  t.is(members[0]!.view, null)
  const waiting = members[0]!.viewNewerThan(0, 60_000)
  members.push(await world.join('c'))
  t.is((await world.until(waiting)).epoch, 1)
  await world.env.advance(2_000)
  for (const member of members) {
    t.deepEqual(member.view, manager.status().view)
    t.is(member.cluster, manager.cluster)
    t.is(member.partitionCount, 16)
  }
  t.deepEqual(
    new Set(members[0]!.view!.members.map(({ id }) => id)),
    new Set(members.map(m => m.id)),
  )
})

test('who waits in vain for the first view hears how many servers have joined', async t => {
  const { world } = await worldOf(3, ['a', 'b'])
  const client = await world.joinClient('mount')
  await world.env.advance(100)
  const { code, message } = await t.throwsAsync<ClusterError>(world.until(firstView(client, 500)))
  t.is(code, 'NOT_READY')
  t.is(message, 'NOT_READY: the cluster has 2 of 3 servers')
  await world.join('c')
  t.is((await world.until(firstView(client, 5_000))).epoch, 1)
})

test('a client joins without appearing in the view, and is gone when it leaves', async t => {
  const { world, manager } = await worldOf(1, ['a'])
  const client = await world.joinClient('mount')
  await world.env.advance(100)
  t.is(client.view?.epoch, 1)
  t.is(manager.status().view?.epoch, 1)
  t.is(manager.status().members.length, 2)
  await world.until(client.close())
  await world.env.advance(100)
  t.is(manager.status().members.length, 1)
})

test('a client that falls silent is forgotten, and taken in again when it is back', async t => {
  const { world, manager } = await worldOf(1, ['a'])
  const client = await world.joinClient('mount')
  world.network.partition('mount', 'manager')
  await world.env.advance(sessionTimeoutMs + 2_000)
  t.is(manager.status().members.length, 1)
  world.network.heal('mount', 'manager')
  await world.env.advance(10_000)
  const found = manager.status().members.find(({ role }) => role === 'client')
  t.is(found?.id, client.id)
  t.true(found?.alive)
})

test('a server that is silent for the failure timeout is reported down, and keeps its partitions', async t => {
  const { world, manager, members } = await worldOf(2, ['a', 'b'])
  const alive = () => manager.status().members.find(({ id }) => id === members[1]!.id)!.alive
  const before = manager.status().view
  world.network.partition('b', 'manager')
  await world.env.advance(failureTimeoutMs - 1_500)
  t.true(alive())
  await world.env.advance(2_500)
  t.false(alive())
  t.is(manager.status().view, before)
  t.is(world.lines.filter(line => line.startsWith('a server is silent')).length, 1)
  world.network.heal('b', 'manager')
  await world.env.advance(10_000)
  t.true(alive())
  t.is(manager.status().view, before)
})

test('a server that restarts elsewhere brings a new view without new holders', async t => {
  const { world, manager, members } = await worldOf(2, ['a', 'b'])
  const { id, view: before } = members[1]!
  world.network.crash('b')
  await world.env.advance(100)
  const again = await world.join('b', { id, addresses: ['memory:b2'] })
  await world.env.advance(100)
  t.is(again.id, id)
  t.is(manager.status().view?.epoch, 2)
  t.deepEqual(manager.status().view?.partitions, before!.partitions)
  t.deepEqual(members[0]!.view?.members.find(member => member.id === id)?.addresses, ['memory:b2'])
})

test('a server cannot be joined twice from different places while the first is up', async t => {
  const { world, manager, members } = await worldOf(1, ['a'])
  const { id } = members[0]!
  const error = await t.throwsAsync<ClusterError>(
    world.join('copy', { id, addresses: ['memory:copy'] }),
  )
  t.is(error.code, 'IN_USE')
  t.regex(error.message, /memory:a/)
  t.is(manager.status().view?.epoch, 1)
})

test('a server that comes after the first view is given copies to catch up with', async t => {
  const { world, manager } = await worldOf(1, ['a'])
  const late = await world.join('late')
  await world.env.advance(1_000)
  const view = manager.status().view!
  t.true(view.members.some(({ id }) => id === late.id))
  const given = view.partitions.filter(({ replicas }) => replicas.includes(late.id))
  t.is(given.length, maxMovesOfServer)
  t.true(given.every(({ inSync }) => inSync.length === 1))
  t.is(manager.status().moves.length, maxMovesOfServer)
  t.true(manager.status().movesWaiting > 2)
})

test('members go on with their view while the manager is down, and find it again', async t => {
  const { world, manager, members } = await worldOf(2, ['a', 'b'])
  const { view } = members[0]!
  await world.until(manager.close())
  await world.env.advance(20_000)
  for (const member of members) {
    t.is(member.view?.epoch, view!.epoch)
    t.false(member.connected)
  }
  const again = await world.startManager()
  t.is(again.cluster, manager.cluster)
  t.deepEqual(again.status().view, view)
  t.true(again.status().members.every(({ alive }) => !alive))
  await world.env.advance(5_000)
  t.true(again.status().members.every(({ alive }) => alive))
  t.true(members.every(({ connected }) => connected))
  t.is(again.status().view?.epoch, view!.epoch)
})

test('whoever answers when managers are looked for takes no place of those that are known', async t => {
  const { world, manager } = await worldOf(1, [])
  const lies = Array.from({ length: maxManagerAddresses }, (_, index) => `memory:lie${index}`)
  let asked = 0
  const member = await world.join('a', {
    find: async () => {
      asked++
      return lies
    },
  })
  await world.until(manager.close())
  await world.env.advance(60_000)
  t.true(asked > 0)
  t.false(member.connected)
  await world.startManager()
  await world.env.advance((maxManagerAddresses + 2) * managerRetryLongestDelayMs)
  t.true(member.connected)
})

test('what a server reports is in the status, and a report that hangs does not stop heartbeats', async t => {
  const { world, manager } = await worldOf(1, [])
  const report = { disks: [], inodes: 7, blocks: 9 }
  let hangs = false
  await world.join('a', {
    report: () => (hangs ? new Promise(() => undefined) : Promise.resolve(report)),
  })
  await world.env.advance(100)
  hangs = true
  await world.env.advance(20_000)
  t.deepEqual(manager.status().members[0]?.report, report)
  t.true(manager.status().members[0]?.alive)
})

test('a join waits for a manager that is not there yet, and gives up in time', async t => {
  const world = new MembershipWorld({ seed: seed++, serversWanted: 1 })
  const joining = world.joining('a')
  await world.env.advance(5_000)
  await world.startManager()
  t.is((await world.until(joining)).partitionCount, 16)
  const error = await t.throwsAsync<ClusterError>(
    world.join('b', { managers: ['memory:nobody'], deadlineMs: 3_000 }),
  )
  t.is(error.code, 'UNREACHABLE')
  t.regex(error.message, /memory:nobody/)
})

test('a join can be cancelled', async t => {
  const world = new MembershipWorld({ seed: seed++, serversWanted: 1 })
  const abort = new AbortController()
  const joining = world.joining('a', { signal: abort.signal })
  await world.env.advance(1_000)
  abort.abort()
  t.is((await t.throwsAsync<ClusterError>(world.until(joining))).code, 'CANCELLED')
})

test("another cluster's member is refused at once", async t => {
  const { world } = await worldOf(1, ['a'])
  const error = await t.throwsAsync<ClusterError>(world.join('b', { cluster: 'f'.repeat(32) }))
  t.is(error.code, 'WRONG_CLUSTER')
})

test('a manager of another version is an error that names both versions', async t => {
  const { world } = await worldOf(1, [])
  await serve({
    env: world.env,
    transport: world.network.transport('newer'),
    address: 'memory:newer',
    hello: { version: protocolVersion + 1, cluster: '', role: 'manager', id: 'm' },
    service: {},
    log: () => undefined,
  })
  const error = await t.throwsAsync<ClusterError>(world.join('a', { managers: ['memory:newer'] }))
  t.is(error.code, 'VERSION_MISMATCH')
  t.true(error.message.includes(`${protocolVersion}`))
  t.true(error.message.includes(`${protocolVersion + 1}`))
})

test('an address that is not a manager is said to be none', async t => {
  const { world } = await worldOf(1, [])
  await serve({
    env: world.env,
    transport: world.network.transport('other'),
    address: 'memory:other',
    hello: { version: protocolVersion, cluster: '', role: 'server', id: 's' },
    service: {},
  })
  const error = await t.throwsAsync<ClusterError>(
    world.join('a', { managers: ['memory:other'], deadlineMs: 1_000 }),
  )
  t.is(error.code, 'UNREACHABLE')
  t.regex((error.cause as Error).message, /is a server, not a manager/)
})

test('a malformed join is refused with every field that is wrong', async t => {
  const { world, manager } = await worldOf(1, [])
  const error = await t.throwsAsync<ClusterError>(
    world.join('a', { addresses: [], weight: -1, id: 'x' }),
  )
  t.is(error.code, 'MALFORMED')
  for (const field of ['weight', 'id']) t.true(error.message.includes(field), error.message)
  t.is(manager.status().members.length, 0)
})

test('a client without weight joins, a server without weight does not', async t => {
  const { world } = await worldOf(1, ['a'])
  t.is((await world.joinClient('mount', { weight: 0 })).view?.epoch ?? 0, 0)
  const error = await t.throwsAsync<ClusterError>(world.join('b', { weight: 0 }))
  t.is(error.code, 'MALFORMED')
})

test('a report of another shape is refused', async t => {
  const { world, manager } = await worldOf(1, [])
  const bad = { disks: 'many', inodes: -1, blocks: 0 } as unknown as MemberReport
  await world.join('a', { report: async () => bad })
  await world.env.advance(5_000)
  t.is(manager.status().members[0]?.report, null)
  t.true(world.lines.some(line => line.startsWith('the manager is away')))
})

test('a heartbeat that shows an older epoch is answered with the view, one that is up to date is not', async t => {
  const { world, manager } = await worldOf(1, ['a'])
  const epochs: (number | undefined)[] = []
  const peer = await world.until(
    connect({
      env: world.env,
      transport: world.network.transport('mount'),
      address: managerAddress,
      hello: { version: protocolVersion, cluster: manager.cluster, role: 'client', id: '' },
      service: {
        viewChanged: ({ body }) => {
          epochs.push(body.view === null ? undefined : viewFromWire(body.view).epoch)
          return { body: {}, payload: [] }
        },
      },
    }),
  )
  const request = {
    role: 'client',
    id: '',
    name: 'mount',
    addresses: [],
    host: 'h',
    domain: '',
  } as const
  await world.until(peer.call('join', { ...request, weight: 0 }))
  await world.until(peer.call('heartbeat', { epoch: 1, report: null }))
  await world.env.advance(100)
  t.deepEqual(epochs, [])
  await world.until(peer.call('heartbeat', { epoch: 0, report: null }))
  await world.env.advance(100)
  t.deepEqual(epochs, [1])
  await world.until(peer.close())
})

test('a heartbeat before a join is refused', async t => {
  const { world, manager } = await worldOf(1, [])
  const peer = await world.until(
    connect({
      env: world.env,
      transport: world.network.transport('stranger'),
      address: managerAddress,
      hello: { version: protocolVersion, cluster: manager.cluster, role: 'client', id: '' },
      service: {},
    }),
  )
  const call = world.until(peer.call('heartbeat', { epoch: 0, report: null }))
  t.is((await t.throwsAsync<ClusterError>(call)).code, 'SESSION_EXPIRED')
  await world.until(peer.close())
})

test('views learned elsewhere are taken when newer, refused when of another cluster', async t => {
  const { members } = await worldOf(1, ['a'])
  const member = members[0]!
  const { view } = member
  const seen: number[] = []
  const stop = member.onView(({ epoch }) => seen.push(epoch))
  member.adopt({ ...view!, epoch: 5 })
  member.adopt({ ...view!, epoch: 4 })
  t.is(member.view?.epoch, 5)
  stop()
  member.adopt({ ...view!, epoch: 6 })
  t.deepEqual(seen, [5])
  const foreign = () => member.adopt({ ...view!, cluster: 'x', epoch: 9 })
  t.is(t.throws<ClusterError>(foreign).code, 'WRONG_CLUSTER')
})

test('who waits for a newer view hears when time is up, and when the member leaves', async t => {
  const { world, members } = await worldOf(1, ['a'])
  const member = members[0]!
  const late = await t.throwsAsync<ClusterError>(world.until(member.viewNewerThan(1, 500)))
  t.is(late.code, 'TIMEOUT')
  const waiting = t.throwsAsync<ClusterError>(member.viewNewerThan(1, 60_000))
  await world.until(member.close())
  t.is((await waiting).code, 'CLOSED')
  t.is((await t.throwsAsync<ClusterError>(member.viewNewerThan(1, 1))).code, 'CLOSED')
})

test('a server that has partitions is not taken in with an empty store in place of its own', async t => {
  const [id, own, empty] = ['a', '1', '2'].map(digit => digit.repeat(32)) as [
    string,
    string,
    string,
  ]
  const world = new MembershipWorld({ seed: seed++, serversWanted: 1 })
  const manager = await world.startManager()
  const first = await world.join('attic', { id, store: own })
  await world.until(first.close())
  await world.until(manager.close())
  const again = await world.startManager()
  const error = await t.throwsAsync<ClusterError>(world.join('attic', { id, store: empty }))
  t.is(error.code, 'FOREIGN_DIRECTORY')
  t.regex(
    error.message,
    /server attic has 16 partitions, but not in the directories .* put these back/,
  )
  t.false(again.status().members[0]!.alive)
  const back = await world.join('attic', { id, store: own })
  await world.env.advance(100)
  t.is(back.view?.partitions[0]?.primary, id)
})

test('a server that has no partitions may come with another store', async t => {
  const [id, own, other] = ['b', '1', '2'].map(digit => digit.repeat(32)) as [
    string,
    string,
    string,
  ]
  const world = new MembershipWorld({ seed: seed++, serversWanted: 3 })
  await world.startManager()
  const first = await world.join('attic', { id, store: own })
  await world.until(first.close())
  t.is((await world.join('attic', { id, store: other })).id, id)
})
