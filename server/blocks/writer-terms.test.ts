import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError } from '../../network/errors.ts'
import type { WriteBlockRequest } from '../../network/wire/operations.ts'
import type { Peers } from '../peers.ts'
import { WriterTerms } from './writer-terms.ts'

const ino = 2 ** 40 + 9
const write = { ino, block: 0, generation: 0, ranges: [0, 1], slot: 1, sequence: 1 }

/** Asks of blocks that come when the clock says what it says now; the inode's server answers after `wayMs`. */
function setUp(answer: () => number, wayMs = 0) {
  const env = new SimulatedEnv({ seed: 1 })
  const asked: object[] = []
  const call = async (_: string, partition: number, request: object) => {
    asked.push({ partition, ...request })
    await env.timers.sleep(wayMs)
    return { body: { leftMs: answer() }, payload: [] }
  }
  const terms = new WriterTerms(env.clock, { call } as unknown as Peers)
  const check = (what: Partial<WriteBlockRequest>) => {
    const request = { ...write, checksums: new Uint8Array(8), ...what }
    const checked = terms.check(request, 'me')
    return checked === null ? 'in time' : env.during(checked.then(() => 'let in'))
  }
  return { check, asked, nowMs: env.clock.uptimeMs() }
}

test('a block that comes in time is let in without asking', t => {
  const { check, asked, nowMs } = setUp(() => 0)
  t.is(check({}), 'in time')
  t.is(check({ notAfterMs: nowMs, flushes: 5 }), 'in time')
  t.deepEqual(asked, [])
})

test('one that comes late is let in while its client goes on being the writer', async t => {
  const { check, asked, nowMs } = setUp(() => 100, 100)
  t.is(await check({ notAfterMs: nowMs - 1, flushes: 5 }), 'let in')
  t.deepEqual(asked, [{ partition: 1, ino, client: 'me', change: 5 }])
})

test('one that comes late is refused when its client is not, or may have ceased to be meanwhile', async t => {
  for (const leftMs of [0, 99, Number.NaN]) {
    const { check, nowMs } = setUp(() => leftMs, 100)
    for (const notAfterMs of [nowMs - 1, Number.NaN, Number.NEGATIVE_INFINITY]) {
      const late = async () => check({ notAfterMs, flushes: 5 })
      await t.throwsAsync(late, { code: 'STALE_WRITE' })
    }
  }
})

test('or nobody can tell, or it was not written behind', async t => {
  const { check, nowMs } = setUp(() => {
    throw new ClusterError('UNREACHABLE', 'away')
  })
  for (const flushes of [{ flushes: 5 }, {}]) {
    const late = async () => check({ notAfterMs: nowMs - 1, ...flushes })
    await t.throwsAsync(late, { code: 'STALE_WRITE' })
  }
})
