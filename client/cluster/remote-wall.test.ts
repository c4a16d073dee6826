import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { RemoteWall } from './remote-wall.ts'

test("a server's wall clock is said as it was told, and has gone on since", async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const wall = new RemoteWall(env.clock)
  t.is(wall.nowNs(), null)
  wall.heard(undefined as unknown as bigint)
  t.is(wall.nowNs(), null, 'what is no time says nothing')
  wall.heard(5_000_000_000n)
  t.is(wall.nowNs(), 5_000_000_000n)
  await env.advance(1_500)
  t.is(wall.nowNs(), 6_500_000_000n)
})
