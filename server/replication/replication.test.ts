import test from 'ava'
import type { PartitionState } from '../../network/wire/view.ts'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { noBlocks } from '../testing/no-blocks.ts'
import { openRoom, type Room } from '../testing/room.ts'
import { Replication } from './replication.ts'

const [self, other] = ['self', 'other']

function stateOf(epoch: number, ...replicas: string[]): PartitionState {
  return { replicas, inSync: replicas, primary: self, epoch }
}

/** Copies of a server that nobody can be reached from. */
function replicationOf({ env, double }: Room): Replication {
  const store = new MetadataStore(double, error => {
    throw error
  })
  return new Replication({
    ...{ env, self, boot: 'boot', store, blocks: noBlocks },
    view: () => null,
    adopt: () => undefined,
    dial: () => new Promise(() => undefined),
    askManager: () => new Promise(() => undefined),
    sync: () => Promise.resolve(),
    touched: () => undefined,
    letGo: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    log: () => undefined,
  })
}

test('a sync that waits for the last other copy ends when it goes', async t => {
  const room = await openRoom()
  const { env, partition } = room
  const replication = replicationOf(room)
  replication.ship(partition, stateOf(1, self, other))
  let synced = false
  const syncing = partition.store.sync().then(() => {
    synced = true
  })
  await env.advance(1)
  t.false(synced)
  replication.ship(partition, stateOf(2, self))
  await env.advance(1_000)
  t.true(synced)
  await syncing
  await replication.stop()
})
