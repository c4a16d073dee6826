import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { wallLateMs } from '../../network/limits.ts'
import { RemoteWall } from './remote-wall.ts'

const second = 1_000_000_000n

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const wall = new RemoteWall(env.clock)
  /** @param lateMs after it was asked, just when it said so. */
  const hear = async (theirsNs: bigint, lateMs: number) => {
    const askedMs = env.clock.uptimeMs()
    await env.advance(lateMs)
    wall.heard(theirsNs, askedMs)
  }
  return { env, wall, hear }
}

test("a server's wall clock is said as it was told, and has gone on since", async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const wall = new RemoteWall(env.clock)
  t.is(wall.nowNs(), null)
  wall.heard(undefined as unknown as bigint, env.clock.uptimeMs())
  t.is(wall.nowNs(), null, 'what is no time says nothing')
  wall.heard(5n * second, env.clock.uptimeMs())
  t.is(wall.nowNs(), 5n * second)
  await env.advance(1_500)
  t.is(wall.nowNs(), 6_500_000_000n)
})

test('an answer that comes late takes nothing back, and one that comes soon mends what came late', async t => {
  const { wall, hear } = setUp()
  await hear(5n * second, 300)
  t.is(wall.nowNs(), 5n * second)
  await hear(wall.nowNs()! + second / 2n, 0)
  const soonNs = wall.nowNs()!
  t.is(soonNs, 5n * second + second / 2n)
  await hear(soonNs, 200)
  t.is(wall.nowNs(), soonNs + second / 5n)
})

test("a server's wall clock that was set back or forth is followed, to a request's time", async t => {
  const { env, wall, hear } = setUp()
  for (const theirsNs of [3_600n, 10n, 7_200n]) {
    await hear(theirsNs * second, 2)
    const ahead = wall.nowNs()! - theirsNs * second
    t.true(ahead >= 0n && ahead <= 2_000_000n, `${ahead} ns ahead`)
  }
  await env.advance(1_000)
  t.true(wall.nowNs()! >= 7_201n * second)
})

test('a late answer after the clocks have run apart sets nothing back by more than they have', async t => {
  const { env, wall, hear } = setUp()
  // Behind ours by more and more.
  const theirs = () => BigInt(Math.round(env.clock.uptimeMs() * 1e6 * 0.999_9))
  let last = 0n
  for (let round = 0; round < 100; round++) {
    await env.advance(400)
    const askedMs = env.clock.uptimeMs()
    await env.advance(1)
    const told = theirs()
    await env.advance(round % 10 === 9 ? 300 : 1)
    wall.heard(told, askedMs)
    t.true(wall.nowNs()! >= last)
    const lateNs = theirs() - wall.nowNs()!
    t.true(lateNs <= 2_000_000n && lateNs >= -2_000_000n, `${lateNs} ns late`)
    last = wall.nowNs()!
  }
  await hear(5n * second, 0)
  t.is(wall.nowNs(), 5n * second)
})

test('what was under way for very long says nothing', async t => {
  const { wall, hear } = setUp()
  await hear(5n * second, wallLateMs + 1)
  t.is(wall.nowNs(), null)
  await hear(5n * second, wallLateMs)
  t.is(wall.nowNs(), 5n * second)
})
