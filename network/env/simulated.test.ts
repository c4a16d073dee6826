import test from 'ava'
import { SimulatedEnv } from './simulated.ts'

test('timers fire in the order of their time, then of their making', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const fired: string[] = []
  const note = (name: string) => () => fired.push(`${name}@${env.clock.monotonicMs()}`)
  env.timers.after(20, note('c'))
  env.timers.after(10, note('a'))
  env.timers.after(10, note('b'))
  env.timers.soon(note('now'))
  await env.advance(15)
  t.deepEqual(fired, ['now@0', 'a@10', 'b@10'])
  t.is(env.clock.monotonicMs(), 15)
  await env.advance(5)
  t.is(fired.at(-1), 'c@20')
})

test('a machine that is suspended is up for longer than its timers count', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const startMs = env.clock.uptimeMs()
  let fired = false
  env.timers.after(20, () => {
    fired = true
  })
  env.suspend(1_000)
  await env.advance(19)
  t.false(fired)
  t.is(env.clock.monotonicMs(), 19)
  t.is(env.clock.uptimeMs() - startMs, 1_019)
})

test('promises settle between two timers', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const steps: string[] = []
  const walk = async (name: string) => {
    await env.timers.sleep(10)
    for (let i = 0; i < 3; i++) {
      await null
      steps.push(`${name}${i}`)
    }
  }
  const walks = [walk('a'), walk('b')]
  t.true(await env.run())
  await Promise.all(walks)
  t.deepEqual(steps, ['a0', 'a1', 'a2', 'b0', 'b1', 'b2'])
})

test('a cancelled timer does not fire, and cancelling twice does no harm', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const timer = env.timers.after(5, () => t.fail('was cancelled'))
  timer.cancel()
  timer.cancel()
  let ticks = 0
  const periodic = env.timers.every(10, () => {
    ticks++
    if (ticks === 3) periodic.cancel()
  })
  await env.advance(100)
  t.is(ticks, 3)
})

test('run stops where it is told, and says when it never came', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  let ticks = 0
  env.timers.every(10, () => ticks++)
  t.true(await env.run(() => ticks === 4))
  t.is(env.clock.monotonicMs(), 40)
  t.false(await env.run(() => false, 100))
  t.is(env.clock.monotonicMs(), 140)
})

test('wall time passes with simulated time', async t => {
  const env = new SimulatedEnv({ seed: 1, startNs: 1000n })
  await env.advance(1.5)
  t.is(env.clock.wallNs(), 1_501_000n)
})

test('a sleeper can be woken', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const controller = new AbortController()
  const sleeping = env.timers.sleep(1000, controller.signal)
  controller.abort(new Error('woken'))
  await t.throwsAsync(sleeping, { message: 'woken' })
  t.true(await env.run())
  t.true(env.clock.monotonicMs() === 0)
})

test('chance comes from the seed alone', t => {
  const draw = (seed: number) => {
    const { random } = new SimulatedEnv({ seed })
    return [random.id(), random.integer(1000), random.integer(2 ** 48), [...random.bytes(5)]]
  }
  t.deepEqual(draw(1), draw(1))
  t.notDeepEqual(draw(1), draw(2))
  t.notDeepEqual(draw(0), draw(1))
})

test('seeded numbers are spread evenly', t => {
  const { random } = new SimulatedEnv({ seed: 42 })
  const counts = new Array<number>(10).fill(0)
  for (let i = 0; i < 20_000; i++) counts[random.integer(10)]!++
  t.true(counts.every(count => count > 1800 && count < 2200))
})

test('a thousand timers added and removed at random fire in order', async t => {
  const env = new SimulatedEnv({ seed: 3 })
  const fired: number[] = []
  let left = 0
  for (let i = 0; i < 1000; i++) {
    const atMs = env.random.integer(500)
    const timer = env.timers.after(atMs, () => fired.push(atMs))
    if (env.random.integer(3) === 0) timer.cancel()
    else left++
  }
  t.true(await env.run())
  t.is(fired.length, left)
  t.deepEqual(
    fired,
    fired.toSorted((a, b) => a - b),
  )
})
