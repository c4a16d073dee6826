import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { sessionTimeoutMs } from '../../network/limits.ts'
import { Sessions } from './sessions.ts'

const nothing = { closed: () => undefined, expired: () => undefined }

test('a server that starts again counts every inode as open until its clients had time to return', async t => {
  const env = new SimulatedEnv({ seed: 1 })
  const sessions = new Sessions(env, nothing)
  t.true(sessions.mayBeOpen(16))
  await env.advance(sessionTimeoutMs + 1)
  t.false(sessions.mayBeOpen(16))
  sessions.close()
})

test('a new server has nobody to wait for', t => {
  const sessions = new Sessions(new SimulatedEnv({ seed: 1 }), nothing, true)
  t.false(sessions.mayBeOpen(16))
  sessions.close()
})
