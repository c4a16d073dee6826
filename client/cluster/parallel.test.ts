import test from 'ava'
import { inParallel } from './parallel.ts'

test('results come in order, and no more than the limit run at a time', async t => {
  let running = 0
  let most = 0
  const results = await inParallel(20, 3, async index => {
    most = Math.max(most, ++running)
    await new Promise(setImmediate)
    running--
    return index * 2
  })
  t.is(most, 3)
  t.deepEqual(
    results,
    Array.from({ length: 20 }, (_, index) => index * 2),
  )
})

test('after a failure nothing is begun, and what runs is waited for', async t => {
  let begun = 0
  let ended = 0
  const running = inParallel(20, 3, async index => {
    begun++
    if (index === 1) throw new Error('no')
    await new Promise(setImmediate)
    ended++
  })
  await t.throwsAsync(running, { message: 'no' })
  t.is(begun, 3)
  t.is(ended, 2)
})
