import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { appendGrantMs } from '../../network/limits.ts'
import { grantKey } from '../metadata/keys.ts'
import { AppendGrants } from './append-grants.ts'

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const content = new Map<string, Uint8Array>()
  const store = {
    put: (key: string, value: Uint8Array) => void content.set(key, value),
    delete: (key: string) => void content.delete(key),
  }
  return { env, grants: new AppendGrants(env), store, content }
}

test('one append is granted at a time, and a repeat of the request gets it again', t => {
  const { grants, store } = setUp()
  grants.grant(store, 1, 'a', 4)
  t.notThrows(() => grants.grant(store, 1, 'a', 4))
  t.throws(() => grants.grant(store, 1, 'a', 5), { message: /CONFLICT/ })
  t.throws(() => grants.grant(store, 1, 'b', 4), { message: /CONFLICT/ })
  t.notThrows(() => grants.grant(store, 2, 'b', 4))
})

test('only others are kept from raising the size', t => {
  const { grants, store } = setUp()
  grants.grant(store, 1, 'a', 4)
  t.true(grants.excludes(1, 'b'))
  t.false(grants.excludes(1, 'a'))
  t.false(grants.excludes(2, 'b'))
  t.true(grants.holds(1, 'a'))
  t.false(grants.holds(1, 'b'))
})

test('only its holder gives a grant back', t => {
  const { grants, store } = setUp()
  grants.grant(store, 1, 'a', 4)
  grants.release(store, 1, 'b')
  t.true(grants.holds(1, 'a'))
  grants.release(store, 1, 'a')
  t.notThrows(() => grants.grant(store, 1, 'b', 0))
})

test('a grant ends by itself, and with its client', async t => {
  const { env, grants, store } = setUp()
  grants.grant(store, 1, 'a', 4)
  await env.advance(appendGrantMs - 1)
  t.true(grants.excludes(1, 'b'))
  await env.advance(1)
  t.false(grants.excludes(1, 'b'))
  t.false(grants.holds(1, 'a'))
  grants.grant(store, 1, 'b', 0)
  grants.grant(store, 2, 'b', 0)
  grants.releaseAll('b')
  t.false(grants.excludes(1, 'a') || grants.excludes(2, 'a'))
})

test('a grant is in the store as long as it is held', t => {
  const { grants, store, content } = setUp()
  grants.grant(store, 1, 'a', 4)
  t.deepEqual([...content.keys()], [grantKey(0, 1)])
  grants.release(store, 1, 'b')
  t.is(content.size, 1)
  grants.release(store, 1, 'a')
  t.is(content.size, 0)
})

test('a grant that was found in the store is held for its full time once more', async t => {
  const { env, grants, store, content } = setUp()
  const client = 'a1'.repeat(16)
  grants.grant(store, 1, client, 300)
  await env.advance(appendGrantMs - 1)
  const restarted = new AppendGrants(env)
  restarted.restore(1, content.get(grantKey(0, 1))!)
  t.notThrows(() => restarted.grant(store, 1, client, 300))
  restarted.restore(1, content.get(grantKey(0, 1))!)
  await env.advance(appendGrantMs - 1)
  t.true(restarted.holds(1, client))
  t.true(restarted.excludes(1, 'b'))
  t.throws(() => restarted.grant(store, 1, 'b', 0), { message: /CONFLICT/ })
  await env.advance(1)
  t.notThrows(() => restarted.grant(store, 1, 'b', 0))
})

test('a record of a grant that is none is refused', t => {
  const { grants } = setUp()
  t.throws(() => grants.restore(1, new Uint8Array(3)), { message: /MALFORMED/ })
})

test('nothing is granted while one that a loss of power took may be under way', async t => {
  const { env, store } = setUp()
  const grants = new AppendGrants(env, appendGrantMs / 4)
  t.throws(() => grants.grant(store, 1, 'a', 4), { message: /NOT_READY/ })
  await env.advance((3 * appendGrantMs) / 4 - 1)
  t.throws(() => grants.assertAllKnown(), { message: /NOT_READY/ })
  await env.advance(1)
  t.notThrows(() => grants.grant(store, 1, 'a', 4))
})

test('only records of grants that nobody holds are swept', async t => {
  const { env, grants, store } = setUp()
  grants.grant(store, 1, 'a', 4)
  await env.advance(appendGrantMs / 2)
  grants.grant(store, 2, 'a', 5)
  const records = [1, 2, 3].map(ino => [grantKey(0, ino), ino] as const)
  const swept = () => [...grants.ended(records)].map(({ key }) => key)
  t.deepEqual(swept(), [grantKey(0, 3)])
  await env.advance(appendGrantMs / 2)
  t.deepEqual(swept(), [grantKey(0, 1), grantKey(0, 3)])
})
