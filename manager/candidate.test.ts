import test from 'ava'
import type { ClusterError } from '../network/errors.ts'
import { failureTimeoutMs, protocolVersion } from '../network/limits.ts'
import { connect } from '../network/rpc/connect.ts'
import type { View } from '../network/wire/view.ts'
import { CandidatesWorld } from './candidates-world.ts'
import { managerPages } from './http/pages.ts'

let seed = 1

async function worldOf(names: readonly string[], worldSeed = seed++): Promise<CandidatesWorld> {
  const world = new CandidatesWorld(worldSeed)
  for (const name of names) await world.start(name)
  await world.env.run(() => world.leader !== undefined, 10_000)
  return world
}

test('of three managers one leads, and a member finds it', async t => {
  const world = await worldOf(['m1', 'm2', 'm3'])
  const server = await world.join('s1')
  await world.env.advance(2_000)
  t.true(server.connected)
  t.is(server.view?.epoch, 1)
  t.is(world.leader?.candidate.status().members[0]?.id, server.id)
  t.is(world.mostLeaders, 1)
})

test('a member that asks the standbys first is sent on without a wait', async t => {
  const world = await worldOf(['m1', 'm2', 'm3'])
  const lines: string[] = []
  const note = (_: object, line: string) => lines.push(line)
  const log = { info: note, warn: note }
  const isLeader = (address: string) => address === `memory:${world.leader!.name}`
  const managers = world.addresses.toSorted((a, b) => Number(isLeader(a)) - Number(isLeader(b)))
  const server = await world.join('s1', { managers, log })
  t.true(server.connected)
  t.deepEqual(lines, [])
})

test('a member that knows of a standby alone is sent on to the leader, and to the next when that is gone', async t => {
  const world = await worldOf(['m1', 'm2', 'm3'])
  await world.env.advance(1_000)
  const lines: string[] = []
  const note = (_: object, line: string) => lines.push(line)
  const log = { info: note, warn: note }
  const before = world.leader!
  const standby = world.contenders.find(contender => contender !== before)!
  const managers = [`memory:${standby.name}`]
  const early = await world.join('s1', { managers, log })
  t.true(early.connected)
  t.deepEqual(lines, [])
  world.isolate(before)
  await world.env.run(() => world.leader !== undefined && world.leader !== before, 10_000)
  const late = await world.join('mount', { role: 'client', addresses: [], managers })
  await world.env.advance(2_000)
  t.true(late.connected && early.connected)
})

test('a standby refuses everybody and tells where the leader is', async t => {
  const world = await worldOf(['m1', 'm2'])
  await world.env.advance(1_000)
  const standby = world.contenders.find(contender => contender !== world.leader)!
  const { env, network, leader } = world
  const hello = { version: protocolVersion, cluster: '', role: 'admin', id: '' } as const
  const address = `memory:${standby.name}`
  const transport = network.transport('x')
  const connecting = connect({ env, transport, address, hello, service: {} })
  const error = await t.throwsAsync<ClusterError>(world.until(connecting))
  t.is(error.code, 'NOT_LEADER')
  t.true(error.message.includes(`the leader is at memory:${leader!.name} on ${leader!.name}`))
  t.deepEqual(error.instead, [`memory:${leader!.name}`])
  t.throws(() => standby.candidate.status(), { code: 'NOT_LEADER' })
})

test('only the leader has metrics and pages of the cluster; a standby shows that it is one', async t => {
  const world = await worldOf(['m1', 'm2'])
  await world.env.advance(1_000)
  const { leader } = world
  for (const { name, candidate } of world.contenders) {
    const leads = name === leader!.name
    candidate.announce(`http://${name}/`)
    const metrics = candidate.metrics()
    t.is(
      metrics.some(metric => metric.name === 'rookery_view_epoch'),
      leads,
    )
    const page = await managerPages(() => candidate.status()).get('/status.json')!()
    t.regex(page.body, leads ? /"cluster": / : /"standby": .*the leader is at memory:/)
  }
  await world.join('s1')
  t.is(leader!.candidate.status().page, `http://${leader!.name}/`)
})

test('three leaders in turn are cut off: each is replaced within the failure timeout, and members go on', async t => {
  for (let round = 0; round < 10; round++) {
    const world = await worldOf(['m1', 'm2', 'm3'], 1000 + round)
    const server = await world.join('s1')
    const client = await world.join('mount', { role: 'client', addresses: [] })
    await world.env.advance(2_000)
    const { id, cluster } = server
    let epoch = server.view!.epoch
    for (const late of ['s2', 's3', 's4']) {
      const old = world.leader!
      world.isolate(old)
      const replaced = () => world.leader !== undefined && world.leader !== old
      t.true(await world.env.run(replaced, failureTimeoutMs))
      t.false(old.candidate.leads)
      await world.env.run(() => server.connected && client.connected, 20_000)
      await world.join(late)
      await world.env.advance(5_000)
      const { view } = world.leader!.candidate.status()
      t.true(view!.epoch > epoch)
      for (const member of [server, client]) t.deepEqual(member.view, view)
      epoch = view!.epoch
      t.is(server.id, id)
      t.is(server.cluster, cluster)
      world.reconnect(old)
      await world.env.advance(3_000)
    }
    t.is(world.mostLeaders, 1)
    t.is(world.leader!.candidate.status().members.length, 5)
  }
})

test('however ways to etcd fail and slow down, no two managers lead at one instant and no epoch comes twice', async t => {
  for (let round = 0; round < 20; round++) {
    const world = await worldOf(['m1', 'm2', 'm3'], 2000 + round)
    const members = [await world.join('s1'), await world.join('mount', { role: 'client' })]
    const views = new Map<number, string>()
    const note = (view: View) => {
      const text = JSON.stringify(view)
      t.is(views.get(view.epoch) ?? text, text, `epoch ${view.epoch}`)
      views.set(view.epoch, text)
    }
    for (const member of members) member.onView(note)
    const { random } = world.env
    const joins: Promise<unknown>[] = []
    for (let step = 0; step < 40; step++) {
      const contender = world.contenders[random.integer(3)]!
      contender.way.mostDelayMs = [5, 100, 700, 8_000][random.integer(4)]!
      contender.way.cut = random.integer(3) === 0
      // With an id, so that a join whose answer was lost is not that of one more server.
      const late = { id: random.id(), deadlineMs: 600_000 }
      if (step % 2 === 0) joins.push(world.joining(`late${step}`, late))
      await world.env.advance(random.integer(2_000))
      const view = world.leader?.candidate.status().view
      if (view) {
        t.true(view.epoch >= Math.max(0, ...views.keys()))
      }
    }
    t.is(world.mostLeaders, 1, `seed ${2000 + round}`)
    for (const { way } of world.contenders) {
      way.cut = false
      way.mostDelayMs = 5
    }
    await world.until(Promise.all(joins))
    const together = () => {
      const view = world.leader?.candidate.status().view
      if (view?.members.length !== 1 + joins.length) return false
      return members.every(member => member.view?.epoch === view.epoch)
    }
    t.true(await world.env.run(together, 60_000))
  }
})

test('without etcd all are standbys that say why; members keep their view, and all is well when it is back', async t => {
  const world = await worldOf(['m1', 'm2'])
  const server = await world.join('s1')
  await world.env.advance(1_000)
  for (const { way } of world.contenders) way.cut = true
  await world.env.advance(60_000)
  t.is(world.leader, undefined)
  t.is(server.view?.epoch, 1)
  for (const { candidate } of world.contenders) {
    const error = t.throws<ClusterError>(() => candidate.status())
    t.is(error.code, 'NOT_LEADER')
    t.regex(error.message, /etcd in memory does not answer/)
  }
  for (const { way } of world.contenders) way.cut = false
  t.true(await world.env.run(() => server.connected, 10_000))
  t.is(world.leader?.candidate.status().view?.epoch, 1)
})

test('an outage of etcd shorter than the lease changes nothing', async t => {
  const world = await worldOf(['m1', 'm2'])
  const server = await world.join('s1')
  await world.env.advance(1_000)
  const { leader } = world
  for (const { way } of world.contenders) way.cut = true
  await world.env.advance(500)
  for (const { way } of world.contenders) way.cut = false
  let lost = false
  await world.env.run(() => {
    lost ||= !server.connected || world.leader !== leader
    return lost
  }, 10_000)
  t.false(lost)
})

test('a manager that is closed hands over at once', async t => {
  const world = await worldOf(['m1', 'm2'])
  const server = await world.join('s1')
  const leader = world.leader!
  await world.until(leader.candidate.close())
  t.true(await world.env.run(() => world.leader !== undefined, 500))
  t.not(world.leader, leader)
  t.true(await world.env.run(() => server.connected, 5_000))
})

test('a manager whose etcd has lost the state fails rather than found a new cluster', async t => {
  const world = await worldOf(['m1'])
  const { candidate } = world.contenders[0]!
  const { cluster } = candidate.status()
  world.etcd.lose()
  const error = await world.until(candidate.failed)
  t.regex(error.message, new RegExp(`state of cluster ${cluster} is gone`))
  t.is(world.leader, undefined)
  await world.until(candidate.close())
})
