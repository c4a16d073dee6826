import { readFileSync } from 'node:fs'
import test from 'ava'
import { realEnv } from './real.ts'

test('the wall clock stays within the millisecond of Date and has nanosecond digits', t => {
  const { clock } = realEnv()
  const readings = new Set<bigint>()
  for (let i = 0; i < 2000; i++) {
    const before = BigInt(Date.now())
    const ns = clock.wallNs()
    const after = BigInt(Date.now())
    t.true(ns >= before * 1_000_000n && ns < (after + 1n) * 1_000_000n)
    readings.add(ns)
  }
  t.true(readings.size > 1000)
})

test('the wall clock follows when it is set back or forth', t => {
  const { clock } = realEnv()
  const { now } = Date
  clock.wallNs()
  try {
    for (const shiftMs of [-3_600_000, 3_600_000, -5]) {
      Date.now = () => now() + shiftMs
      const before = BigInt(Date.now())
      const ns = clock.wallNs()
      const after = BigInt(Date.now())
      t.true(ns >= before * 1_000_000n && ns < (after + 1n) * 1_000_000n)
    }
  } finally {
    Date.now = now
  }
})

test('monotonic time never goes back', t => {
  const { clock } = realEnv()
  let last = clock.monotonicMs()
  for (let i = 0; i < 1000; i++) {
    const ms = clock.monotonicMs()
    t.true(ms >= last)
    last = ms
  }
})

test('the machine is up for as long as the kernel says, time of suspension included', t => {
  const { clock } = realEnv()
  const kernelMs = () => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000
  for (let i = 0; i < 100; i++) {
    // The kernel cuts off what is below a hundredth of a second.
    const before = kernelMs()
    const ms = clock.uptimeMs()
    const after = kernelMs()
    t.true(ms >= before && ms < after + 10, `${before} ${ms} ${after}`)
  }
})

test('timers fire, a cancelled one does not, and sleep rejects with the reason', async t => {
  const { timers } = realEnv()
  const keepAlive = setInterval(() => undefined, 1000)
  timers.after(1, () => t.fail('was cancelled')).cancel()
  await new Promise<void>(resolve => timers.after(2, resolve))
  await new Promise<void>(resolve => timers.soon(resolve))
  let fired = 0
  await new Promise<void>(resolve => {
    const timer = timers.every(1, () => {
      if (++fired < 3) return
      timer.cancel()
      resolve()
    })
  })
  await timers.sleep(1)
  const controller = new AbortController()
  const sleeping = timers.sleep(60_000, controller.signal)
  controller.abort(new Error('woken'))
  await t.throwsAsync(sleeping, { message: 'woken' })
  await t.throwsAsync(timers.sleep(1, AbortSignal.abort(new Error('never slept'))), {
    message: 'never slept',
  })
  clearInterval(keepAlive)
})

test('random numbers stay below their bound and ids are 32 hexadecimal digits', t => {
  const { random } = realEnv()
  const seen = new Set<number>()
  for (let i = 0; i < 1000; i++) seen.add(random.integer(3))
  t.deepEqual([...seen].sort(), [0, 1, 2])
  t.true(random.integer(2 ** 48) < 2 ** 48)
  t.throws(() => random.integer(0))
  t.throws(() => random.integer(2 ** 48 + 2))
  t.regex(random.id(), /^[0-9a-f]{32}$/)
  t.not(random.id(), random.id())
  t.is(random.bytes(10).byteLength, 10)
})
