import test from 'ava'
import { ClusterError } from '../network/errors.ts'
import { failureTimeoutMs, maxMovesOfServer, protocolVersion } from '../network/limits.ts'
import { connect } from '../network/rpc/connect.ts'
import type { Peer } from '../network/rpc/contract.ts'
import type { RunningManager } from './main.ts'
import { MembershipWorld, managerAddress } from './membership-world.ts'
import { FakeServer } from './testing/fake-server.ts'

let seed = 300

async function worldOf(serversWanted: number, replicaCount: number, copyMs = 50) {
  const world = new MembershipWorld({ seed: seed++, serversWanted, replicaCount })
  const manager = await world.startManager()
  const { env, network } = world
  const add = (name: string, id = '') =>
    new FakeServer({ env, network, manager: managerAddress, name, copyMs, id })
  const servers = Array.from({ length: serversWanted }, (_, index) => add(`s${index}`))
  await env.advance(1_000)
  return { world, manager, servers, add }
}

async function administrator(world: MembershipWorld, manager: RunningManager): Promise<Peer> {
  const { env, network } = world
  return world.until(
    connect({
      env,
      transport: network.transport('admin'),
      address: managerAddress,
      hello: { version: protocolVersion, cluster: manager.cluster, role: 'admin', id: '' },
      service: {},
    }),
  )
}

function heldBy(manager: RunningManager, { id }: FakeServer): number {
  const { view } = manager.status()
  return view!.partitions.filter(({ replicas }) => replicas.includes(id)).length
}

test('a server that joins later gets its share, and one that drains may be removed and is not taken in again', async t => {
  const { world, manager, servers, add } = await worldOf(2, 1)
  const late = add('late')
  await world.env.advance(10_000)
  t.true(heldBy(manager, late) >= 3 && heldBy(manager, late) <= 8)
  t.deepEqual(manager.status().moves, [])
  t.is(manager.status().movesWaiting, 0)

  const admin = await administrator(world, manager)
  const [first] = servers
  const member = first!.id
  const early = world.until(admin.call('removeMember', { member, force: false }))
  t.is((await t.throwsAsync<ClusterError>(early)).code, 'IN_USE')
  await world.until(admin.call('drainMember', { member, cancel: false }))
  t.deepEqual(manager.status().draining, [member])
  await world.env.advance(10_000)
  t.is(heldBy(manager, first!), 0)
  await world.until(admin.call('removeMember', { member, force: false }))
  await world.env.advance(5_000)
  t.is(first!.refusal?.code, 'REMOVED')
  t.false(manager.status().members.some(({ id }) => id === member))
  t.false(late.view!.members.some(({ id }) => id === member))
  await world.until(admin.close())
})

test('moves go on after the manager was restarted in the middle', async t => {
  const { world, manager, add } = await worldOf(2, 1, 400)
  const late = add('late')
  await world.env.advance(700)
  t.true(manager.status().moves.length >= 2)
  await world.until(manager.close())
  await world.env.advance(2_000)
  const again = await world.startManager()
  await world.env.advance(20_000)
  t.true(heldBy(again, late) >= 3)
  t.deepEqual(again.status().moves, [])
  t.is(again.status().movesWaiting, 0)
})

test('a server that dies is succeeded by those that have copies, and caught up with when it is back', async t => {
  const { world, manager, servers, add } = await worldOf(3, 2)
  const [dies] = servers
  dies!.stop()
  await world.env.advance(failureTimeoutMs + 2_000)
  const { view } = manager.status()
  for (const { primary, inSync } of view!.partitions) {
    t.not(primary, dies!.id)
    t.false(inSync.includes(dies!.id))
  }
  t.true(heldBy(manager, dies!) > 0)
  add('s0', dies!.id)
  await world.env.advance(10_000)
  t.true(manager.status().view!.partitions.every(({ inSync }) => inSync.length === 2))
  t.true(manager.status().view!.partitions.some(({ primary }) => primary === dies!.id))
})

test('a dead server is removed by force when others have all of it, and not otherwise', async t => {
  const { world, manager, servers } = await worldOf(3, 2)
  const admin = await administrator(world, manager)
  const [one, two] = servers
  one!.stop()
  two!.stop()
  await world.env.advance(failureTimeoutMs + 2_000)
  const { frozen, view } = manager.status()
  t.regex(frozen!, /s0, s1 fail at the same time/)
  t.is(view!.epoch, 1)
  t.true(world.lines.some(line => line.includes('fail at the same time')))
  const both = world.until(admin.call('removeMember', { member: one!.id, force: true }))
  t.regex((await t.throwsAsync<ClusterError>(both)).message, /only whole copy/)
  await world.until(admin.close())
})

test('what is removed by force is made whole again by others', async t => {
  const { world, manager, servers } = await worldOf(3, 2)
  const admin = await administrator(world, manager)
  const [dies] = servers
  dies!.stop()
  await world.env.advance(failureTimeoutMs + 2_000)
  await world.until(admin.call('removeMember', { member: dies!.id, force: true }))
  await world.env.advance(10_000)
  const { view } = manager.status()
  t.is(view!.members.length, 2)
  t.true(view!.partitions.every(({ inSync }) => inSync.length === 2))
  await world.until(admin.close())
})

test('a label holds, and what is no request of an administrator is refused', async t => {
  const { world, manager, servers } = await worldOf(2, 1)
  const admin = await administrator(world, manager)
  const member = servers[0]!.id
  await world.until(admin.call('labelMember', { member, name: 'attic', weight: 3 }))
  const found = manager.status().members.find(({ id }) => id === member)
  t.is(found?.name, 'attic')
  t.is(found?.weight, 3)
  const calls: readonly (() => Promise<unknown>)[] = [
    () => admin.call('labelMember', { member, weight: -1 }),
    () => admin.call('drainMember', { member: 'nobody', cancel: false }),
    () => admin.call('removeMember', { member } as never),
  ]
  for (const call of calls) {
    const error = await t.throwsAsync<ClusterError>(world.until(call()))
    t.is(error.code, 'MALFORMED')
  }
  t.is(manager.status().view!.members.length, 2)
  await world.until(admin.close())
})

test('only the primary may say what becomes of its partition', async t => {
  const { world, manager, servers } = await worldOf(2, 2)
  const admin = await administrator(world, manager)
  const { primary, inSync, epoch } = manager.status().view!.partitions[0]!
  const member = inSync.find(id => id !== primary)!
  const call = admin.call('replicaLost', { partition: 0, epoch, member, reason: 'none' })
  t.true((await t.throwsAsync(world.until(call))) instanceof ClusterError)
  t.is(manager.status().view!.partitions[0]!.epoch, epoch)
  t.is(servers.length, 2)
  await world.until(admin.close())
})

test('a member that was removed is told so, and asks no more', async t => {
  const world = new MembershipWorld({ seed: seed++, serversWanted: 1 })
  const manager = await world.startManager()
  const first = await world.join('a')
  const admin = await administrator(world, manager)
  const late = await world.join('b', { id: 'b'.repeat(32) })
  await world.until(admin.call('drainMember', { member: late.id, cancel: false }))
  await world.env.advance(1_000)
  await world.until(admin.call('removeMember', { member: late.id, force: true }))
  t.is((await world.until(late.removed)).code, 'REMOVED')
  await world.env.advance(10_000)
  t.is(world.lines.filter(line => line.startsWith('the manager is away')).length, 1)
  const again = world.join('b', { id: late.id })
  t.is((await t.throwsAsync<ClusterError>(again)).code, 'REMOVED')
  t.true(first.connected)
  await world.until(admin.close())
})

test('what a server says that it cannot copy counts for nothing, and is told with the reason', async t => {
  const { world, manager, servers, add } = await worldOf(2, 1, 10_000_000)
  add('late')
  await world.env.advance(3_000)
  const first = manager.status().moves
  t.is(first.length, maxMovesOfServer)
  for (const server of servers) {
    const copies = first
      .filter(({ source }) => source === server.id)
      .map(({ partition, target: member }) => ({ partition, member, doneBytes: 0, totalBytes: 0 }))
    server.report = { ...server.report, copies: copies.map(copy => ({ ...copy, held: 'damage' })) }
  }
  await world.env.advance(3_000)
  const { moves } = manager.status()
  t.is(moves.filter(({ held }) => held === undefined).length, maxMovesOfServer)
  t.deepEqual(
    moves.filter(({ held }) => held === 'damage').map(({ partition }) => partition),
    first.map(({ partition }) => partition),
  )
})

for (const replicaCount of [1, 2]) {
  test(`a manager whose state was put back from an old copy takes nothing back that has moved since (${replicaCount} replicas)`, async t => {
    const { world, manager, servers, add } = await worldOf(2, replicaCount)
    const old = await world.copyOfDisk()
    const late = add('late')
    await world.env.advance(20_000)
    t.true(heldBy(manager, late) > 0)
    const before = manager.status().view!
    await world.until(manager.close())
    await world.putBack(old)
    const again = await world.startManager()
    t.true(again.status().view!.epoch < before.epoch)
    await world.env.advance(20_000)
    const { view, members, moves } = again.status()
    t.true(view!.epoch > before.epoch)
    t.deepEqual(moves, [])
    t.is(members.length, 3)
    const holders = ({ partitions }: typeof before) => partitions.map(state => state.replicas)
    t.deepEqual(holders(view!), holders(before))
    for (const [partition, { epoch }] of before.partitions.entries()) {
      t.true(view!.partitions[partition]!.epoch >= epoch)
    }
    for (const server of [...servers, late]) t.is(server.view?.epoch, view!.epoch)
    t.true(world.lines.some(line => line.includes('put back from an old copy')))
    // And it goes on from there.
    const admin = await administrator(world, again)
    await world.until(admin.call('drainMember', { member: late.id, cancel: false }))
    await world.env.advance(20_000)
    t.is(heldBy(again, late), 0)
  })
}

test('a manager that learns from servers that one was removed which it has just heard of goes on without it', async t => {
  const { world, manager, servers, add } = await worldOf(2, 1)
  const late = add('late')
  await world.env.advance(20_000)
  const old = await world.copyOfDisk()
  const { id } = late
  const admin = await administrator(world, manager)
  await world.until(admin.call('drainMember', { member: id, cancel: false }))
  await world.env.advance(20_000)
  late.stop()
  await world.until(admin.call('removeMember', { member: id, force: false }))
  await world.env.advance(1_000)
  for (const server of servers) server.stop()
  await world.until(manager.close())
  await world.putBack(old)
  const again = await world.startManager()
  const back = add('late', id)
  await world.env.advance(1_000)
  t.true(again.status().members.some(member => member.id === id && member.alive))
  back.stop()
  for (const { id, view } of servers) add(`again-${id}`, id).view = view
  await world.env.advance(3 * failureTimeoutMs)
  t.deepEqual(
    again
      .status()
      .members.map(member => member.id)
      .sort(),
    servers.map(server => server.id).sort(),
  )
})

test('a manager takes no view from a server that its own disk could not hold', async t => {
  const { world, manager, servers, add } = await worldOf(2, 1)
  const before = manager.status().view!
  const liar = servers[0]!
  liar.stop()
  const [first, ...rest] = before.partitions
  const wrong = [
    { ...before, epoch: Number.MAX_SAFE_INTEGER },
    { ...before, epoch: before.epoch + 9.5 },
    { ...before, epoch: before.epoch + 9, members: [{ id: 1 }] },
    { ...before, epoch: before.epoch + 9, removed: [{ peerId: 'x', serial: 'y' }] },
    { ...before, epoch: before.epoch + 9, partitions: [{ ...first, primary: 'nobody' }, ...rest] },
  ]
  for (const view of wrong) {
    const again = add(`again-${liar.id}`, liar.id)
    again.view = view as unknown as typeof before
    await world.env.advance(1_000)
    again.stop()
    t.is(again.refusal?.code, 'MALFORMED')
    await world.env.advance(1_000)
  }
  t.deepEqual(manager.status().view!.partitions, before.partitions)
  t.true(manager.status().view!.epoch <= before.epoch + 1)
})
