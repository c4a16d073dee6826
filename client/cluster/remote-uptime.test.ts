import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { kernelSpareMs, maxClockDrift, uptimeOldMs } from '../../network/limits.ts'
import { RemoteUptime } from './remote-uptime.ts'

/** A server whose clock runs faster, or slower, by so much, and the moments at which it says what. */
function setUp(drift: number) {
  const env = new SimulatedEnv({ seed: 1 })
  const uptime = new RemoteUptime(env.clock)
  const ours = () => env.clock.uptimeMs()
  const startMs = ours()
  const theirs = () => 77 + (ours() - startMs) * (1 + drift)
  return { env, uptime, ours, theirs }
}

test('what is said of a moment here is never later there, and soon not much earlier', async t => {
  for (const drift of [0, maxClockDrift, -maxClockDrift]) {
    const { env, uptime, ours, theirs } = setUp(drift)
    const told = theirs()
    const wayMs = 30
    await env.advance(wayMs)
    uptime.heard(told)
    for (let passedMs = 0; passedMs <= uptimeOldMs; passedMs += 5_000) {
      const earlyMs = theirs() - uptime.at(ours())
      t.true(earlyMs > -0.001 && earlyMs < kernelSpareMs / 2 + wayMs, `${earlyMs} ms`)
      await env.advance(5_000)
    }
    t.true(uptime.isOld)
  }
})

test('a server that has told nothing has every moment behind it', t => {
  const { uptime, ours } = setUp(0)
  t.true(uptime.isOld)
  t.is(uptime.at(ours() + 1e9), Number.NEGATIVE_INFINITY)
  uptime.heard(Number.NaN)
  t.is(uptime.at(ours() + 1e9), Number.NEGATIVE_INFINITY)
})
