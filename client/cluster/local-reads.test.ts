import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { localReadMs, maxLocalReads } from '../../network/limits.ts'
import { LocalReads } from './local-reads.ts'

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const reads = new LocalReads(env.timers)
  const begun: PromiseWithResolvers<string>[] = []
  const begin = () =>
    reads.inTime(() => {
      const read = Promise.withResolvers<string>()
      begun.push(read)
      return read.promise
    })
  return { env, reads, begun, begin }
}

test('there are never more of them than may be, and each has its turn', async t => {
  const { env, reads, begun, begin } = setUp()
  const all = Array.from({ length: 10 }, begin)
  for (let ended = 0; ended < 10; ended++) {
    await env.advance(1)
    t.is(begun.length, Math.min(10, ended + maxLocalReads))
    begun[ended]!.resolve(`${ended}`)
  }
  t.deepEqual(await Promise.all(all), [...'0123456789'])
  t.false(reads.isHeldUp)
})

test('one that fails says so, and makes room for the next', async t => {
  const { env, begun, begin } = setUp()
  const all = Array.from({ length: maxLocalReads + 1 }, begin)
  await env.advance(1)
  begun[0]!.reject(new Error('the disk'))
  await t.throwsAsync(all[0]!, { message: 'the disk' })
  await env.advance(1)
  t.is(begun.length, maxLocalReads + 1)
})

test('a disk that hangs keeps nobody for long, and none begins until it goes on', async t => {
  const { env, reads, begun, begin } = setUp()
  const all = Array.from({ length: maxLocalReads + 2 }, begin)
  await env.advance(localReadMs - 1)
  t.false(reads.isHeldUp)
  await env.advance(2)
  t.deepEqual(await Promise.all(all), Array(maxLocalReads + 2).fill(null))
  t.true(reads.isHeldUp)
  t.is(begun.length, maxLocalReads)
  begun.forEach((read, index) => {
    if (index === 0) read.reject(new Error('too late'))
    else read.resolve('late')
  })
  await env.advance(1)
  t.false(reads.isHeldUp)
  t.is(begun.length, maxLocalReads, 'those that waited for a turn are not begun')
  const after = begin()
  await env.advance(1)
  begun.at(-1)!.resolve('again')
  t.is(await after, 'again')
})
