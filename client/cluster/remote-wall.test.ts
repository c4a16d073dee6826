import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { RemoteWall } from './remote-wall.ts'

const second = 1_000_000_000n

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
  const env = new SimulatedEnv({ seed: 1 })
  const wall = new RemoteWall(env.clock)
  const hear = async (theirsNs: bigint, lateMs: number) => {
    const askedMs = env.clock.uptimeMs()
    await env.advance(lateMs)
    wall.heard(theirsNs, askedMs)
  }
  await hear(5n * second, 300)
  t.is(wall.nowNs(), 5n * second)
  await hear(wall.nowNs()! + second / 2n, 0)
  const soonNs = wall.nowNs()!
  t.is(soonNs, 5n * second + second / 2n)
  await hear(soonNs, 200)
  t.is(wall.nowNs(), soonNs + second / 5n)
})

test("a server's wall clock that was set back or forth is followed", async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const wall = new RemoteWall(env.clock)
  for (const theirsNs of [3_600n, 10n, 7_200n]) {
    const askedMs = env.clock.uptimeMs()
    await env.advance(2)
    wall.heard(theirsNs * second, askedMs)
    t.is(wall.nowNs(), theirsNs * second)
  }
})
