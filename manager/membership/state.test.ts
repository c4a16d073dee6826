import test from 'ava'
import { exampleServer } from '../store/compliance.ts'
import { healthOf } from './health.ts'
import { partitionsHeld, withoutCopies } from './holders.ts'
import type { ClusterState } from './state.ts'
import {
  createState,
  withDraining,
  withFirstView,
  withLabel,
  withoutMember,
  withPartitions,
  withServer,
} from './state.ts'

const everybody = () => true

function stateWith(ids: readonly string[]): ClusterState {
  const empty = createState({ cluster: 'c1', partitionCount: 16, replicaCount: 1 })
  return ids.reduce((state, id) => withServer(state, exampleServer(id)), empty)
}

test('there is no view before enough servers are up', t => {
  t.is(withFirstView(stateWith([]), 0, everybody).view, null)
  t.is(withFirstView(stateWith(['s1', 's2']), 3, everybody).view, null)
  t.is(withFirstView(stateWith(['s1', 's2', 's3']), 3, id => id !== 's2').view, null)
})

test('the first view places every partition, in sync, with a primary, at epoch 1', t => {
  const { view } = withFirstView(stateWith(['s1', 's2', 's3']), 3, everybody)
  t.is(view?.epoch, 1)
  t.is(view?.partitions.length, 16)
  for (const partition of view?.partitions ?? []) {
    t.is(partition.replicas.length, 1)
    t.deepEqual(partition.inSync, partition.replicas)
    t.is(partition.primary, partition.replicas[0]!)
    t.is(partition.epoch, 1)
  }
})

test('a server that is down when the first view is made is listed but holds nothing', t => {
  const state = withFirstView(stateWith(['s1', 's2', 's3']), 2, id => id !== 's2')
  const { view } = state
  t.is(view?.members.length, 3)
  t.is(partitionsHeld(state, 's2'), 0)
  t.true(partitionsHeld(state, 's1') > 0 && partitionsHeld(state, 's3') > 0)
})

test('the first view is made once', t => {
  const state = withFirstView(stateWith(['s1']), 1, everybody)
  t.is(withFirstView(state, 1, everybody), state)
})

test('a server with new addresses raises the epoch of the view and of no partition', t => {
  const before = withFirstView(stateWith(['s1', 's2']), 2, everybody)
  const moved = { ...exampleServer('s1'), addresses: ['tcp://10.0.0.1:9'] }
  const after = withServer(before, moved)
  t.is(after.view?.epoch, 2)
  t.deepEqual(after.view?.members[0], moved)
  t.is(after.view?.partitions, before.view!.partitions)
  t.is(before.view?.epoch, 1)
})

test('a server that joins again as it was changes nothing', t => {
  const state = withFirstView(stateWith(['s1', 's2']), 2, everybody)
  t.is(withServer(state, exampleServer('s2')), state)
})

test('a server that comes after the first view is a member that holds nothing as yet', t => {
  const before = withFirstView(stateWith(['s1']), 1, everybody)
  const after = withServer(before, exampleServer('s2'))
  t.is(after.view?.epoch, 2)
  t.is(after.view?.members.length, 2)
  t.is(partitionsHeld(after, 's2'), 0)
})

test('more replicas wanted than servers gives each partition all of them', t => {
  const state = { ...stateWith(['s1', 's2']), replicaCount: 3 }
  const { view } = withFirstView(state, 2, everybody)
  for (const { replicas } of view!.partitions) t.is(replicas.length, 2)
  t.is(view!.replicaCount, 3)
})

test('a label holds whatever the server says of itself later, and goes with the server', t => {
  const before = withFirstView(stateWith(['s1', 's2']), 2, everybody)
  const after = withLabel(before, { id: 's1', weight: 4 })
  t.is(after.view?.members[0]?.weight, 4)
  t.is(after.view?.epoch, 2)
  t.is(withServer(after, exampleServer('s1')), after)
  const both = withLabel(after, { id: 's1', name: 'attic' })
  t.is(both.view?.members[0]?.weight, 4)
  t.is(both.view?.members[0]?.name, 'attic')
  const gone = withoutMember(both, 's1')
  t.deepEqual(gone.gone, ['s1'])
  t.is(withServer(gone, exampleServer('s1')).members[1]?.weight, 1)
})

test('a server that drains holds nothing of the first view, and is no member when it is removed', t => {
  const draining = withDraining(stateWith(['s1', 's2']), 's1', true)
  t.is(withDraining(draining, 's1', true), draining)
  const state = withFirstView(draining, 1, everybody)
  t.is(partitionsHeld(state, 's1'), 0)
  const without = withoutMember(state, 's1')
  t.deepEqual(without.draining, [])
  t.deepEqual(
    without.view?.members.map(({ id }) => id),
    ['s2'],
  )
  t.is(withoutMember(without, 's1'), without)
})

test('nobody waits for a primary to take up what it alone holds since another was removed', t => {
  const state = withFirstView(stateWith(['s1', 's2']), 2, everybody)
  const [first, ...others] = state.view!.partitions
  const primary = first!.primary!
  const goes = state.members.find(({ id }) => id !== primary)!.id
  const both = { ...first!, replicas: [goes, primary], inSync: [goes, primary] }
  const moving = withPartitions(state, [both, ...others])
  const handedOver = { ...moving, handovers: [{ partition: 0, epoch: both.epoch }] }
  const up = { isUp: everybody, silentMs: () => 0, hasFailedDisk: () => false, isHeld: () => false }
  const after = withoutCopies(handedOver, goes, healthOf(handedOver, up, 60_000))
  t.deepEqual(after.view?.partitions[0]?.replicas, [primary])
  t.false(after.handovers.some(({ partition }) => partition === 0))
})
