import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { makersMs } from '../../network/limits.ts'
import { creation, openRoom, root } from '../testing/room.ts'
import { Makers } from './makers.ts'
import { create } from './operations/names.ts'

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  return { env, makers: new Makers(env.clock) }
}

test('a directory that one client fills is not shared, however long', async t => {
  const { env, makers } = setUp()
  for (let round = 0; round < 5; round++) {
    t.false(makers.made(7, 'me'))
    await env.advance(makersMs / 2)
  }
})

test('one in which two make names, a short while apart, is shared, and for as long after', async t => {
  const { env, makers } = setUp()
  t.false(makers.made(7, 'me'))
  t.false(makers.made(8, 'you'), 'in another directory')
  await env.advance(makersMs)
  t.true(makers.made(7, 'you'))
  await env.advance(makersMs - 1)
  t.true(makers.made(7, 'you'))
  await env.advance(1)
  t.false(makers.made(7, 'you'))
})

test('one that another client takes over is not shared', async t => {
  const { env, makers } = setUp()
  t.false(makers.made(7, 'me'))
  await env.advance(makersMs + 1)
  t.false(makers.made(7, 'you'))
})

test('a directory is split when it is large and several clients fill it, or very large', async t => {
  const overgrown: number[] = []
  const splitter = {
    splitEntries: 3,
    splitEntriesOfOne: 8,
    overgrown: (_: unknown, ino: number) => void overgrown.push(ino),
  }
  const room = await openRoom(undefined, splitter)
  const make = (index: number, client = 'me') =>
    room.run(create, { ...creation(`f${index}`) }, [], client)
  for (let index = 0; index < 8; index++) make(index)
  t.deepEqual(overgrown, [])
  make(8)
  t.deepEqual(overgrown, [root])
  room.run(create, { ...creation('last') }, [], 'you')
  t.is(overgrown.length, 2)

  const shared = await openRoom(undefined, splitter)
  for (const [index, client] of ['me', 'you', 'me', 'you'].entries()) {
    shared.run(create, creation(`f${index}`), [], client)
  }
  t.is(overgrown.length, 2, 'who makes the first ones is not looked at')
  shared.run(create, creation('fifth'), [], 'me')
  t.is(overgrown.length, 3)
})
