/** What every store of manager state must do; an implementation's test calls this once. */
import type { TestFn } from 'ava'
import type { ClusterError } from '../../network/errors.ts'
import type { Member } from '../../network/wire/view.ts'
import type { ClusterState } from '../membership/state.ts'
import {
  createState,
  withDraining,
  withFirstView,
  withLabel,
  withoutMember,
  withServer,
} from '../membership/state.ts'
import type { ManagerStore } from './contract.ts'

/** A place to keep a state in: `open` finds again what an earlier store was given. */
export interface StorePlace {
  open(): Promise<ManagerStore>
  remove(): Promise<void>
}

/** @param name of the implementation, before each title. */
export function testStore(
  test: TestFn,
  name: string,
  createPlace: () => Promise<StorePlace>,
): void {
  test(`${name}: a new store has no state`, async t => {
    const place = await createPlace()
    t.teardown(() => place.remove())
    const store = await place.open()
    t.is(await store.load(), null)
    await store.close()
  })

  test(`${name}: what was saved last is found again, whole, after the store was opened anew`, async t => {
    const place = await createPlace()
    t.teardown(() => place.remove())
    const first = await place.open()
    const empty = createState({ cluster: 'c1', partitionCount: 8, replicaCount: 1 })
    await first.save(empty)
    t.deepEqual(await first.load(), empty)
    await first.save(exampleState())
    await first.close()
    const second = await place.open()
    t.deepEqual(await second.load(), exampleState())
    await second.close()
  })

  test(`${name}: a closed store refuses to load and to save`, async t => {
    const place = await createPlace()
    t.teardown(() => place.remove())
    const store = await place.open()
    await store.close()
    const loading = await t.throwsAsync<ClusterError>(store.load())
    const saving = await t.throwsAsync<ClusterError>(store.save(exampleState()))
    t.is(loading.code, 'CLOSED')
    t.is(saving.code, 'CLOSED')
  })
}

/** Three servers, one of which is gone, and a view that is not the first any more; nothing is empty. */
export function exampleState(): ClusterState {
  const cluster = createState({ cluster: 'c1', partitionCount: 8, replicaCount: 1 })
  const joined = withServer(withServer(cluster, exampleServer('s1')), exampleServer('s2'))
  const published = withFirstView(joined, 2, () => true)
  const late = withoutMember(withServer(published, exampleServer('s3')), 's3')
  const said = withLabel(withDraining(late, 's1', true), { id: 's2', domain: 'rack', weight: 2 })
  const handovers = [{ partition: 3, epoch: 1 }]
  const moved = { ...exampleServer('s2'), addresses: ['tcp://10.0.0.9:7401'] }
  const stores = [{ id: 's2', store: 'f'.repeat(32) }]
  return { ...withServer(said, moved), handovers, stores }
}

export function exampleServer(id: string): Member {
  return {
    id,
    role: 'server',
    name: `name of ${id}`,
    addresses: [`unix:/run/${id}.sock`, `tcp://10.0.0.1:74${id.slice(1)}`],
    host: 'host',
    domain: id,
    weight: 1,
  }
}
