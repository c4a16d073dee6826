import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import {
  failureSuspectMs,
  failureTimeoutMs,
  maxMoves,
  maxMovesOfServer,
} from '../../network/limits.ts'
import type { MemberId, PartitionState } from '../../network/wire/view.ts'
import type { Health } from './health.ts'
import { partitionsHeld, withoutSync } from './holders.ts'
import { underWay } from './planner.ts'
import { PlannerWorld, replaceAfterMs } from './planner-world.ts'
import type { ClusterState } from './state.ts'
import { withDraining, withLabel } from './state.ts'
import { Throttle } from './throttle.ts'

function check(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Error(text)
}

function loads(state: ClusterState, health: Health): Throttle {
  const throttle = new Throttle()
  for (const [partition, holders] of state.view!.partitions.entries()) {
    const pending = state.handovers.some(handover => handover.partition === partition)
    const busy = underWay(holders, health, { partition, isHandedOver: pending })
    if (busy.size > 0) throttle.take(busy)
  }
  return throttle
}

function domains(ids: readonly MemberId[], health: Health): number {
  return new Set(ids.map(health.domainOf)).size
}

/** What holds of every step, whatever happens. */
function checkStep(before: ClusterState, after: ClusterState, health: Health, world: PlannerWorld) {
  if (after.view === before.view) return
  check(after.view!.epoch > before.view!.epoch, 'the epoch of the view rises')
  const wanted = world.wanted
  const load = loads(after, health)
  for (const [partition, now] of after.view!.partitions.entries()) {
    const then = before.view!.partitions[partition]!
    checkPartition(now, before.replicaCount)
    if (now === then) continue
    check(now.epoch > then.epoch, 'the epoch of a partition that changes rises')
    const [added] = now.replicas.filter(id => !then.replicas.includes(id))
    if (added !== undefined) {
      check(health.tooMany.length === 0, 'nothing begins while too many fail')
      check(health.isUp(added) && health.isUp(now.primary!), 'who takes part in a move is up')
      check(load.of(added) <= maxMovesOfServer, 'no target has too much to do')
      check(load.of(now.primary!) <= maxMovesOfServer, 'no source has too much to do')
      check(load.total <= maxMoves, 'not too much is under way')
    }
    checkLosses({
      then,
      now,
      health,
      replicaCount: before.replicaCount,
      wanted: wanted?.[partition],
    })
  }
}

function checkPartition({ replicas, inSync, primary }: PartitionState, replicaCount: number) {
  check(inSync.length > 0, 'a replica is in sync')
  check(primary !== null && inSync.includes(primary), 'the primary is in sync')
  check(
    inSync.every(id => replicas.includes(id)),
    'who is in sync is a replica',
  )
  check(new Set(replicas).size === replicas.length, 'replicas are distinct')
  check(replicas.length <= replicaCount + 1, 'there is at most one replica too many')
}

interface Losses {
  readonly then: PartitionState
  readonly now: PartitionState
  readonly health: Health
  readonly replicaCount: number
  readonly wanted: readonly MemberId[] | undefined
}

function checkLosses({ then, now, health, replicaCount, wanted }: Losses) {
  const gone = then.inSync.filter(id => !now.inSync.includes(id))
  if (gone.length === 0) return
  const up = now.inSync.filter(health.isUp)
  if (gone.every(health.isDown) && now.replicas.length === then.replicas.length) {
    check(health.tooMany.length === 0, 'nobody is left out while too many fail')
    check(up.length > 0, 'who is left out leaves one that is up')
    return
  }
  check(up.length >= replicaCount, 'a copy goes when there are enough others')
  const upBefore = then.inSync.filter(health.isUp)
  const possible = Math.min(replicaCount, domains(upBefore, health), domains(wanted ?? [], health))
  check(domains(up, health) >= possible, 'copies stay in domains of their own')
}

const shapes = fc.record({
  seed: fc.nat(),
  servers: fc.integer({ min: 1, max: 7 }),
  domains: fc.integer({ min: 1, max: 5 }),
  partitionCount: fc.constantFrom(8, 32),
  replicaCount: fc.integer({ min: 1, max: 3 }),
})

type Event = 'join' | 'silence' | 'revive' | 'drain' | 'cancel' | 'weigh' | 'disk' | 'time' | 'long'
const events = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom('step' as const, 'report' as const) },
    { weight: 1, arbitrary: fc.constant('manager' as const) },
    {
      weight: 4,
      arbitrary: fc.constantFrom<Event>(
        ...([
          'join',
          'silence',
          'revive',
          'drain',
          'cancel',
          'weigh',
          'disk',
          'time',
          'long',
        ] as const),
      ),
    },
  ),
  { maxLength: 120 },
)

function happen(world: PlannerWorld, event: Event | 'step' | 'report' | 'manager'): void {
  const { members } = world.state
  const id = members[world.draw(members.length)]!.id
  const actions: Record<typeof event, () => unknown> = {
    step: () => world.step(),
    report: () => world.report(),
    manager: () => world.restartManager(),
    join: () => members.length < 12 && world.join(1 + world.draw(3)),
    silence: () => world.silence(id),
    revive: () => world.revive(id),
    drain: () => (world.state = withDraining(world.state, id, true)),
    cancel: () => (world.state = withDraining(world.state, id, false)),
    weigh: () => (world.state = withLabel(world.state, { id, weight: 1 + world.draw(4) })),
    disk: () => world.failedDisks.add(id),
    time: () => world.pass(world.draw(failureTimeoutMs)),
    long: () => world.pass(replaceAfterMs),
  }
  actions[event]()
}

/** What is left when everybody is up and nothing happens any more. */
function checkEnd(world: PlannerWorld) {
  const { wanted, health } = world
  const { replicaCount, handovers } = world.state
  check(handovers.length === 0, 'every partition was taken up')
  check(health.tooMany.length === 0, 'nobody fails')
  for (const [partition, { replicas, inSync, primary }] of world.partitions.entries()) {
    check(replicas.length === inSync.length, 'all replicas are in sync')
    const should = wanted?.[partition] ?? replicas
    check(
      should.every(id => replicas.includes(id)),
      'every wanted replica is there',
    )
    const kept = Math.min(replicaCount, world.state.members.length)
    check(replicas.length >= Math.min(kept, should.length), 'there are enough')
    if (should.length < replicaCount) continue
    check(replicas.length === should.length, 'there is none too many')
    check(primary === should[0], 'the primary is the one that is wanted first')
  }
}

test('whatever happens, no step endangers a partition, and it comes to an end where it should', t => {
  fc.assert(
    fc.property(shapes, events, (shape, events) => {
      const world = new PlannerWorld(shape)
      world.onStep = (before, after, health) => checkStep(before, after, health, world)
      for (const event of events) happen(world, event)
      world.reviveAll()
      world.settle()
      checkEnd(world)
    }),
    { seed: 7, numRuns: 400 },
  )
  t.pass()
})

function settled(t: ExecutionContext, options: { servers: number; replicaCount: number }) {
  const world = new PlannerWorld({ seed: 1, domains: 99, partitionCount: 256, ...options })
  t.is(world.settle(), 0)
  return world
}

function moved(before: readonly PartitionState[], after: readonly PartitionState[]): number {
  return after.filter((state, p) => state.replicas.some(id => !before[p]!.replicas.includes(id)))
    .length
}

for (const replicaCount of [1, 2]) {
  test(`a server that joins gets about its fair share, and little else moves (${replicaCount} replicas)`, t => {
    const world = settled(t, { servers: 3, replicaCount })
    const before = world.partitions
    const id = world.join()
    world.settle()
    const fair = (256 * replicaCount) / 4
    const held = partitionsHeld(world.state, id)
    t.true(held >= fair / 2 && held <= 1.3 * fair, `${held} of ${fair}`)
    const count = moved(before, world.partitions)
    t.true(count <= 1.5 * fair, `${count} moved`)
    checkEnd(world)
  })

  test(`a server that drains ends up with nothing, and only what it held moves far (${replicaCount} replicas)`, t => {
    const world = settled(t, { servers: 4, replicaCount })
    const before = world.partitions
    const held = partitionsHeld(world.state, 'server-2')
    world.state = withDraining(world.state, 'server-2', true)
    world.settle()
    t.is(partitionsHeld(world.state, 'server-2'), 0)
    t.true(moved(before, world.partitions) <= 1.6 * held)
    checkEnd(world)
  })
}

test('a drain that is cancelled brings back what had gone, and stops what had begun', t => {
  const world = settled(t, { servers: 3, replicaCount: 1 })
  const before = world.partitions.map(({ replicas }) => replicas)
  world.state = withDraining(world.state, 'server-1', true)
  for (let n = 0; n < 20; n++) {
    world.step()
    world.report()
  }
  t.notDeepEqual(
    world.partitions.map(({ replicas }) => replicas),
    before,
  )
  world.state = withDraining(world.state, 'server-1', false)
  world.settle()
  t.deepEqual(
    world.partitions.map(({ replicas }) => replicas),
    before,
  )
})

test('the last server that could hold something keeps it, also when it drains', t => {
  const world = settled(t, { servers: 2, replicaCount: 2 })
  world.state = withDraining(world.state, 'server-1', true)
  world.settle()
  t.is(partitionsHeld(world.state, 'server-1'), 256)
  world.state = withDraining(world.state, 'server-0', true)
  world.settle()
  t.is(partitionsHeld(world.state, 'server-0'), 256)
})

test('a server with a failed disk drains', t => {
  const world = settled(t, { servers: 3, replicaCount: 1 })
  world.failedDisks.add('server-0')
  world.settle()
  t.is(partitionsHeld(world.state, 'server-0'), 0)
  t.deepEqual(world.state.draining, ['server-0'])
})

test('copies that their primary cannot feed hold up no others, and are made when it can', t => {
  const world = new PlannerWorld({
    ...{ seed: 11, servers: 2, domains: 2, partitionCount: 32, replicaCount: 1 },
  })
  const drained = 'server-0'
  const held = world.partitions.flatMap(({ primary }, id) => (primary === drained ? [id] : []))
  for (const partition of held.slice(0, 2 * maxMovesOfServer)) world.damaged.add(partition)
  world.state = withDraining(world.state, drained, true)
  world.settle()
  t.is(partitionsHeld(world.state, drained), 2 * maxMovesOfServer)
  world.damaged.clear()
  world.settle()
  t.is(partitionsHeld(world.state, drained), 0)
})

test('a server that is silent is left out and succeeded, and catches up when it is back', t => {
  const world = settled(t, { servers: 3, replicaCount: 2 })
  const before = world.partitions
  world.silence('server-0')
  world.pass(failureTimeoutMs - 1)
  t.false(world.step())
  world.pass(1)
  world.settle()
  for (const { replicas, inSync, primary } of world.partitions) {
    t.is(replicas.length, 2)
    t.not(primary, 'server-0')
    t.false(inSync.includes('server-0'))
  }
  world.revive('server-0')
  world.settle()
  t.deepEqual(
    world.partitions.map(({ replicas, primary }) => [replicas, primary]),
    before.map(({ replicas, primary }) => [replicas, primary]),
  )
})

test('a server that stays away is replaced after a while, by servers of other domains', t => {
  const world = settled(t, { servers: 4, replicaCount: 2 })
  world.silence('server-0')
  world.pass(failureTimeoutMs)
  world.settle()
  t.true(partitionsHeld(world.state, 'server-0') > 0)
  world.pass(replaceAfterMs)
  world.settle()
  t.is(partitionsHeld(world.state, 'server-0'), 0)
  t.true(world.partitions.every(({ inSync }) => inSync.length === 2))
})

test('with one replica nothing changes for a silent server: its partitions wait for it', t => {
  const world = settled(t, { servers: 3, replicaCount: 1 })
  world.silence('server-0')
  world.pass(replaceAfterMs)
  t.false(world.step())
})

test('the death of either end of a move holds up no others, and what is on both goes on', t => {
  for (const end of [0, 1]) {
    const world = new PlannerWorld({
      ...{ seed: 12, servers: 2, domains: 3, partitionCount: 32, replicaCount: 1 },
    })
    world.join()
    const onBoth = () => world.partitions.findIndex(({ inSync }) => inSync.length === 2)
    while (onBoth() < 0) {
      world.step()
      world.report()
    }
    const partition = onBoth()
    const dies = world.partitions[partition]!.inSync[end]!
    world.silence(dies)
    world.passFailureTimeout()
    t.deepEqual(world.health.tooMany, [])
    world.settle()
    const { primary } = world.partitions[partition]!
    t.true(primary !== dies && world.health.isUp(primary!))
  }
})

test('a partition that came back from a dead server waits for nobody once it has a single copy', t => {
  const world = new PlannerWorld({
    ...{ seed: 13, servers: 2, domains: 2, partitionCount: 8, replicaCount: 1 },
  })
  world.state = withDraining(world.state, 'server-1', true)
  const handed = () => world.partitions.findIndex(({ replicas }) => replicas.length === 2)
  world.step()
  while (
    !world.partitions.some(({ inSync, primary }) => inSync.length === 2 && primary === 'server-0')
  ) {
    world.report()
    world.step()
  }
  t.true(handed() >= 0)
  world.state = withDraining(world.state, 'server-1', false)
  world.silence('server-0')
  world.passFailureTimeout()
  while (world.step()) world.pass(10)
  t.deepEqual(world.state.handovers, [])
  t.true(world.partitions.every(({ replicas }) => replicas.length === 1))
})

test('when more fail at once than the replication survives, everything stays as it is until some are back', t => {
  const world = settled(t, { servers: 4, replicaCount: 2 })
  const before = world.partitions
  world.silence('server-0')
  world.pass(failureTimeoutMs - failureSuspectMs)
  world.silence('server-1')
  world.pass(failureSuspectMs)
  t.is(world.health.tooMany.length, 2)
  t.false(world.step())
  world.pass(replaceAfterMs)
  t.false(world.step())
  t.is(world.partitions, before)
  world.revive('server-1')
  t.true(world.step())
  t.true(world.partitions.every(({ inSync }) => !inSync.includes('server-0')))
})

test('of two that stay away, saying that one drains lets the cluster go on', t => {
  const world = settled(t, { servers: 5, replicaCount: 2 })
  world.silence('server-0')
  world.silence('server-1')
  world.pass(replaceAfterMs)
  t.false(world.step())
  world.state = withDraining(world.state, 'server-0', true)
  world.settle()
  const lost = world.partitions.filter(({ inSync }) =>
    inSync.every(id => id === 'server-0' || id === 'server-1'),
  )
  t.true(lost.length > 0 && lost.length < 40)
  t.true(world.partitions.every(state => lost.includes(state) || state.inSync.length === 2))
})

test('whole racks may fail together where replicas are in others', t => {
  const world = new PlannerWorld({
    ...{ seed: 3, servers: 6, domains: 3, partitionCount: 64, replicaCount: 2 },
  })
  world.silence('server-0')
  world.silence('server-3')
  world.pass(failureTimeoutMs)
  t.deepEqual(world.health.tooMany, [])
  world.settle()
  t.true(world.partitions.every(({ primary }) => world.health.isUp(primary!)))
})

test('a target that falls silent is given up, and another manager goes on with what is half done', t => {
  const world = settled(t, { servers: 3, replicaCount: 1 })
  const id = world.join()
  world.step()
  t.true(partitionsHeld(world.state, id) > 0)
  world.silence(id)
  world.passFailureTimeout()
  world.step()
  t.is(partitionsHeld(world.state, id), 0)
  world.revive(id)
  world.step()
  world.report()
  world.restartManager()
  world.settle()
  checkEnd(world)
  t.true(partitionsHeld(world.state, id) > 40)
})

test('the old copy stays until the new primary has taken the partition up', t => {
  const world = settled(t, { servers: 1, replicaCount: 1 })
  world.state = withDraining(world.state, 'server-0', true)
  world.join()
  world.step()
  const { handovers } = world.state
  t.deepEqual(handovers, [])
  world.report()
  world.step()
  const [handover] = world.state.handovers
  const state = () => world.partitions[handover!.partition]!
  t.is(state().primary, 'server-1')
  world.step()
  t.deepEqual(state().replicas, ['server-0', 'server-1'])
  while (world.state.handovers.includes(handover!)) world.report()
  world.step()
  t.deepEqual(state().replicas, ['server-1'])
})

test('a report of somebody else, or of another epoch, changes nothing', t => {
  const world = settled(t, { servers: 3, replicaCount: 2 })
  const { primary, inSync, epoch } = world.partitions[0]!
  const backup = inSync.find(id => id !== primary)!
  const report = { partition: 0, epoch, member: backup }
  t.throws(() => withoutSync(world.state, backup, { ...report, member: primary! }), {
    message: /STALE_EPOCH/,
  })
  t.throws(() => withoutSync(world.state, primary!, { ...report, epoch: epoch + 1 }), {
    message: /STALE_EPOCH/,
  })
  t.is(withoutSync(world.state, primary!, { ...report, member: primary! }), world.state)
  const without = withoutSync(world.state, primary!, report)
  t.deepEqual(without.view!.partitions[0]!.inSync, [primary!])
  t.throws(() => withoutSync(without, primary!, { ...report, partition: 999 }), {
    message: /MALFORMED/,
  })
})
