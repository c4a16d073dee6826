import type { ExecutionContext } from 'ava'
import test from 'ava'
import { z } from 'zod'
import { realEnv } from '../../network/env/real.ts'
import type { ClusterError } from '../../network/errors.ts'
import { maxEtcdValueBytes } from '../../network/limits.ts'
import { campaign } from '../etcd/election.ts'
import { EtcdGateway } from '../etcd/gateway.ts'
import { isAt, keysOf, putting, transact } from '../etcd/keys.ts'
import { Term } from '../etcd/term.ts'
import type { ClusterState } from '../membership/state.ts'
import { EtcdProcess, findEtcd, noEtcd } from '../testing/etcd.ts'
import { Tunnel } from '../testing/tunnel.ts'
import { exampleServer, exampleState, testStore } from './compliance.ts'
import { EtcdStore } from './etcd.ts'

/** A busy machine is none of these tests' business. */
const deadlineMs = 30_000

const program = await findEtcd()
if (program === null) test.skip(`the store in etcd: ${noEtcd}`, () => {})
else await testEtcd(program)

async function testEtcd(found: string): Promise<void> {
  const server = await EtcdProcess.start(found)
  test.after.always(() => server.remove())
  const env = realEnv()
  const etcd = new EtcdGateway({ env, endpoints: [server.endpoint], deadlineMs })
  const newKeys = () => keysOf(env.random.id())

  async function elected(keys = newKeys(), gateway = etcd, leaseSeconds = 60): Promise<Term> {
    const result = await campaign({ etcd: gateway, keys, description: 'here', leaseSeconds })
    if (result instanceof Term) return result
    throw new Error(`${result} leads`)
  }

  /** Takes the leader's key from whoever has it, which does not notice. */
  async function depose(keys: ReturnType<typeof keysOf>): Promise<void> {
    await etcd.call('kv/deleterange', { key: keys.leader }, z.object({}))
  }

  async function opened(t: ExecutionContext, keys = newKeys(), gateway = etcd) {
    const term = await elected(keys, gateway)
    const store = new EtcdStore({ etcd: gateway, keys, term })
    t.teardown(() => store.close())
    return { term, store, keys }
  }

  testStore(test, 'in etcd', async () => {
    const keys = newKeys()
    return {
      open: async () => new EtcdStore({ etcd, keys, term: await elected(keys) }),
      remove: async () => {},
    }
  })

  test('one manager leads at a time; the next one can as soon as the first has closed its store', async t => {
    const keys = newKeys()
    const first = await opened(t, keys)
    t.is(await campaign({ etcd, keys, description: 'there' }), 'here')
    await first.store.close()
    t.false(first.term.current)
    await opened(t, keys)
  })

  test('a leader that was deposed without noticing can neither save nor load', async t => {
    const { term, store, keys } = await opened(t)
    await store.save(exampleState())
    await depose(keys)
    t.true(term.current)
    const second = await opened(t, keys)
    const error = await t.throwsAsync<ClusterError>(store.save(otherState()))
    t.is(error.code, 'NOT_LEADER')
    t.false(term.current)
    t.deepEqual(await second.store.load(), exampleState())

    await depose(keys)
    await opened(t, keys)
    t.true(second.term.current)
    t.is((await t.throwsAsync<ClusterError>(second.store.load())).code, 'NOT_LEADER')
  })

  test("a write that comes late does not replace a later one, though its leader's term lasts", async t => {
    const { term, store, keys } = await opened(t)
    await store.save(exampleState())
    const late = new EtcdStore({ etcd, keys, term })
    await late.load()
    await store.save(otherState())
    t.is((await t.throwsAsync<ClusterError>(late.save(exampleState()))).code, 'DISK')
    t.false(term.current)
    const { store: next } = await opened(t, await deposed(keys))
    t.deepEqual(await next.load(), otherState())
  })

  async function deposed(keys: ReturnType<typeof keysOf>) {
    await depose(keys)
    return keys
  }

  test('a save whose answer is lost is done once, and the next one follows it', async t => {
    const tunnel = await Tunnel.to(server.endpoint)
    t.teardown(() => tunnel.close())
    const gateway = new EtcdGateway({ env, endpoints: [tunnel.endpoint], deadlineMs })
    const { term, store } = await opened(t, newKeys(), gateway)
    await store.save(exampleState())
    tunnel.loseAnswer()
    await store.save(otherState())
    t.true(term.current)
    t.deepEqual(await store.load(), otherState())
    await store.save(exampleState())
    t.deepEqual(await store.load(), exampleState())
  })

  test('an endpoint that does not answer is passed over', async t => {
    const gateway = new EtcdGateway({
      env,
      endpoints: [await deadEndpoint(), server.endpoint],
      deadlineMs,
    })
    const { store } = await opened(t, newKeys(), gateway)
    await store.save(exampleState())
    t.deepEqual(await store.load(), exampleState())
  })

  test('without any endpoint that answers the error names them and the reason', async t => {
    const endpoint = await deadEndpoint()
    const gateway = new EtcdGateway({ env, endpoints: [endpoint] })
    const error = await t.throwsAsync<ClusterError>(
      campaign({ etcd: gateway, keys: newKeys(), description: '' }),
    )
    t.is(error.code, 'UNREACHABLE')
    t.true(error.message.includes(`${endpoint} does not answer: `))
    t.regex(error.message, /ECONNREFUSED/)
  })

  test.serial('a save that finds no etcd fails when the term ends', async t => {
    const tunnel = await Tunnel.to(server.endpoint)
    t.teardown(() => tunnel.close())
    const gateway = new EtcdGateway({ env, endpoints: [tunnel.endpoint], deadlineMs: 3_000 })
    const keys = newKeys()
    const term = await elected(keys, gateway, 6)
    const store = new EtcdStore({ etcd: gateway, keys, term })
    tunnel.cut()
    const saving = t.throwsAsync<ClusterError>(store.save(exampleState()))
    await term.ended
    t.is((await saving).code, 'NOT_LEADER')
    await t.throwsAsync(store.close(), { message: /does not answer/ })
  })

  test('a state that is larger than etcd may be given is refused, and the last one stays', async t => {
    const { term, store } = await opened(t)
    await store.save(exampleState())
    const name = Buffer.from(env.random.bytes(2 * maxEtcdValueBytes)).toString('base64')
    const members = [{ ...exampleServer('s1'), name }]
    const error = await t.throwsAsync<ClusterError>(store.save({ ...exampleState(), members }))
    t.is(error.code, 'OVERLOADED')
    t.true(error.message.includes(`more than the ${maxEtcdValueBytes} that etcd`))
    t.true(term.current)
    t.deepEqual(await store.load(), exampleState())
  })

  test('a state that somebody has damaged is an error that names the place', async t => {
    const { store, keys } = await opened(t)
    for (const value of ['', 'garbage', Buffer.from('{}').toString('base64')]) {
      const damage = {
        compare: [isAt(keys.state, 'CREATE', '0')],
        success: [putting(keys.state, Buffer.from(value).toString('base64'))],
        failure: [putting(keys.state, Buffer.from(value).toString('base64'))],
      }
      await transact(etcd, damage)
      const error = await t.throwsAsync<ClusterError>(store.load())
      t.is(error.code, 'DISK')
      t.true(error.message.includes(`in etcd at ${server.endpoint} is damaged`))
    }
  })
}

async function deadEndpoint(): Promise<string> {
  const tunnel = await Tunnel.to('127.0.0.1:1')
  const { endpoint } = tunnel
  await tunnel.close()
  return endpoint
}

function otherState(): ClusterState {
  const state = exampleState()
  return { ...state, members: [...state.members, exampleServer('s3')] }
}
