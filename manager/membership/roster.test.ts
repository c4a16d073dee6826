import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError } from '../../network/errors.ts'
import { maxMemberAddresses, maxMemberTextBytes } from '../../network/limits.ts'
import { silentLog } from '../../network/log.ts'
import type { JoinRequest } from '../../network/wire/operations.ts'
import type { View } from '../../network/wire/view.ts'
import type { ManagerStore } from '../store/contract.ts'
import { openMemoryStore } from '../store/level.ts'
import { Roster } from './roster.ts'
import { createState } from './state.ts'

const request: JoinRequest = {
  role: 'server',
  id: '',
  name: 'a',
  addresses: ['memory:a'],
  host: 'h',
  domain: '',
  weight: 1,
}

function rosterOn(
  store: ManagerStore,
  serversWanted: number,
  settings = { partitionCount: 8, replicaCount: 1 },
) {
  const env = new SimulatedEnv({ seed: 1 })
  const views: View[] = []
  const state = createState({ cluster: 'c', ...settings })
  const roster = new Roster({
    env,
    log: silentLog,
    store,
    state,
    serversWanted,
    published: view => views.push(view),
  })
  return { env, roster, views }
}

test('a view is saved before anybody hears of it', async t => {
  const memory = await openMemoryStore()
  const events: string[] = []
  const store: ManagerStore = {
    load: () => memory.load(),
    save: async state => {
      await memory.save(state)
      events.push(`saved ${state.view?.epoch}`)
    },
    close: () => memory.close(),
  }
  const { roster, views } = rosterOn(store, 1)
  await roster.join(request)
  t.deepEqual(events, ['saved 1'])
  t.is(views.length, 1)
  t.deepEqual((await memory.load())?.view, views[0]!)
})

test('a join that cannot be saved fails and changes nothing, and the next one succeeds', async t => {
  const memory = await openMemoryStore()
  let full = true
  const store: ManagerStore = {
    load: () => memory.load(),
    save: state =>
      full ? Promise.reject(new ClusterError('DISK', 'no space')) : memory.save(state),
    close: () => memory.close(),
  }
  const { env, roster, views } = rosterOn(store, 1)
  t.is((await t.throwsAsync<ClusterError>(roster.join(request))).code, 'DISK')
  t.deepEqual(roster.status().members, [])
  t.is(views.length, 0)
  await env.advance(60_000)
  roster.expire()
  full = false
  await roster.join(request)
  t.is(views.length, 1)
})

test('joins at the same time each take effect', async t => {
  const { roster, views } = rosterOn(await openMemoryStore(), 3)
  const names = ['a', 'b', 'c', 'd']
  await Promise.all(names.map(name => roster.join({ ...request, name })))
  t.deepEqual(
    views.map(({ epoch }) => epoch),
    [1, 2],
  )
  t.is(roster.status().members.length, 4)
})

test('a view too large for a frame is refused before it is saved', async t => {
  const store = await openMemoryStore()
  const servers = 260
  const { roster, views } = rosterOn(store, servers, { partitionCount: 4096, replicaCount: 3 })
  const longest = 'tcp://'.padEnd(maxMemberTextBytes, 'x')
  const large = { ...request, addresses: Array<string>(maxMemberAddresses).fill(longest) }
  for (let index = 1; index < servers; index++) await roster.join(large)
  const error = await t.throwsAsync<ClusterError>(roster.join(large))
  t.is(error.code, 'OVERLOADED')
  t.is(views.length, 0)
  t.is((await store.load())?.members.length, servers - 1)
})

test('the largest number of partitions, with three replicas each, is published', async t => {
  const { roster, views } = rosterOn(await openMemoryStore(), 3, {
    partitionCount: 4096,
    replicaCount: 3,
  })
  for (const name of ['a', 'b', 'c']) await roster.join({ ...request, name })
  t.is(views[0]?.partitions.length, 4096)
  t.true(views[0]?.partitions.every(({ replicas }) => replicas.length === 3))
})

test('one id is not a server and a client', async t => {
  const { roster } = rosterOn(await openMemoryStore(), 1)
  const server = await roster.join(request)
  const client = await roster.join({ ...request, role: 'client', addresses: [] })
  const both = { ...request, role: 'client', id: server.id } as const
  t.is((await t.throwsAsync<ClusterError>(roster.join(both))).code, 'MALFORMED')
  const other = roster.join({ ...request, id: client.id })
  t.is((await t.throwsAsync<ClusterError>(other)).code, 'MALFORMED')
})
