import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { behindSpareMs, kernelSpareMs, readLeaseMs } from '../../network/limits.ts'
import type { WriteLeased } from '../../network/wire/operations.ts'
import type { LeaseTerm } from './lease-term.ts'
import { WriteLeases } from './write-leases.ts'

type Told = { readonly leaseMs: number } & WriteLeased

const forWriting: Told = { leaseMs: readLeaseMs, behind: true }

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const nowMs = () => env.clock.uptimeMs()
  const newTerm = (): LeaseTerm => ({
    ...{ generation: 1, untilMs: 1e12, usedMs: 0 },
    ...{ isHeard: true, isAlone: true },
  })
  const at = { term: newTerm() as LeaseTerm | null, viewEpoch: 1 }
  const writing = new WriteLeases({
    asking: () => ({ atMs: nowMs(), term: at.term, viewEpoch: at.viewEpoch }),
    nowMs,
    viewEpoch: () => at.viewEpoch,
  })
  const told = (body: Told, meanwhile = async () => undefined as unknown) =>
    writing.during(7, async () => {
      await meanwhile()
      return { body }
    })
  return { env, at, newTerm, writing, told, nowMs }
}

test('a file is written behind as long as the lease that says so holds', async t => {
  const { env, at, writing, told, nowMs } = setUp()
  t.false(writing.mayWrite(7))
  t.false(writing.isCalm(7))
  await told({ leaseMs: readLeaseMs })
  t.false(writing.mayWrite(7))
  t.true(writing.isCalm(7), 'nobody else does')
  await told(forWriting)
  t.true(writing.mayWrite(7))
  t.false(writing.mayWrite(8))
  at.term!.untilMs = nowMs() + kernelSpareMs + 10
  t.is(writing.writesUntilMs(7), nowMs() + 10)
  await env.advance(10)
  t.false(writing.mayWrite(7))
  t.false(writing.isCalm(7))
})

test('nothing more is written behind while the connection is gone, but what there is may be sent', async t => {
  const { at, writing, told, nowMs } = setUp()
  await told(forWriting)
  at.term!.isHeard = false
  t.false(writing.mayWrite(7))
  t.true(writing.writesUntilMs(7) > nowMs())
  at.term!.isHeard = true
  t.true(writing.mayWrite(7))
})

test('it counts from when it was asked for, and is not begun with when little of it is left', async t => {
  const { env, writing, told } = setUp()
  await told(forWriting)
  await env.advance(readLeaseMs - behindSpareMs - 1)
  t.true(writing.mayWrite(7))
  await env.advance(1)
  t.false(writing.mayWrite(7))
  await told({ leaseMs: readLeaseMs })
  t.true(writing.mayWrite(7), 'any answer prolongs it')
})

test('a lease that has run out is not given again by an answer that says nothing of writing', async t => {
  const { env, writing, told } = setUp()
  await told(forWriting)
  await env.advance(readLeaseMs)
  // By now its server may have leased the file to others as well.
  await told({ leaseMs: readLeaseMs })
  t.false(writing.mayWrite(7))
  t.is(writing.termOf(7), null)
  t.true(writing.isCalm(7))
})

test('what is called back is not taken any more, but brought', async t => {
  const { writing, told } = setUp()
  await told(forWriting)
  const gaveBack = writing.recall([7, 8])
  t.false(writing.mayWrite(7))
  t.true(writing.writesUntilMs(7) > 0)
  t.true(writing.isCalm(7))
  await told(forWriting)
  t.false(writing.mayWrite(7), 'an answer of before says nothing')
  gaveBack(true)
  t.is(writing.writesUntilMs(7), Number.NEGATIVE_INFINITY)
  t.false(writing.isCalm(7))
})

test('what is granted by an answer that comes while it is called back holds until that is done', async t => {
  const { writing, told } = setUp()
  let gaveBack = (_: boolean) => undefined as unknown
  await told(forWriting, async () => {
    gaveBack = writing.recall([7])
  })
  t.false(writing.mayWrite(7))
  t.true(writing.writesUntilMs(7) > 0)
  gaveBack(true)
  t.is(writing.writesUntilMs(7), Number.NEGATIVE_INFINITY)
  t.is(writing.size, 0)
})

test('what was called back in a term that has ended is in the way of no other', async t => {
  const { at, newTerm, writing, told } = setUp()
  await told(forWriting)
  const gaveBack = writing.recall([7])
  at.term!.untilMs = Number.NEGATIVE_INFINITY
  at.term = newTerm()
  await told(forWriting)
  t.is(writing.termOf(7), at.term)
  t.true(writing.writesUntilMs(7) > 0)
  gaveBack(true)
  await told(forWriting)
  t.true(writing.mayWrite(7))
})

test('a recall that could not be answered lets what there is be sent, and is in the way of no other term', async t => {
  const { at, newTerm, writing, told } = setUp()
  await told(forWriting)
  writing.recall([7])(false)
  t.false(writing.mayWrite(7))
  t.true(writing.writesUntilMs(7) > 0)
  at.term!.untilMs = Number.NEGATIVE_INFINITY
  at.term = newTerm()
  await told(forWriting)
  t.true(writing.mayWrite(7))
  t.is(writing.size, 1)
})

test('an answer to what was asked before a recall, or in another view, says nothing', async t => {
  const { at, writing, told } = setUp()
  await told(forWriting, async () => writing.recall([7])(true))
  t.false(writing.mayWrite(7))
  await told(forWriting, async () => {
    at.viewEpoch++
  })
  t.false(writing.mayWrite(7))
  await told(forWriting)
  t.true(writing.mayWrite(7))
})

test('another term is another lease', async t => {
  const { at, newTerm, writing, told } = setUp()
  await told(forWriting)
  const before = writing.termOf(7)
  at.term = newTerm()
  await told({ leaseMs: readLeaseMs })
  t.false(writing.mayWrite(7))
  t.is(writing.termOf(7), null)
  await told(forWriting)
  t.not(writing.termOf(7), before)
  at.term = null
  writing.forget(7)
  await told(forWriting)
  t.false(writing.mayWrite(7), 'without a term')
})

test('what rests is calm for as long as was said', async t => {
  const { env, writing, told } = setUp()
  await told({ leaseMs: 0, calmMs: 100 })
  t.true(writing.isCalm(7))
  t.false(writing.mayWrite(7))
  await env.advance(100)
  t.false(writing.isCalm(7))
})

test('a term with a lease for writing in it is kept in use', async t => {
  const { env, at, writing, told, nowMs } = setUp()
  await told({ leaseMs: readLeaseMs })
  await env.advance(10)
  writing.useTerms()
  t.is(at.term!.usedMs, 0)
  await told(forWriting)
  writing.useTerms()
  t.is(at.term!.usedMs, nowMs())
  await env.advance(readLeaseMs)
  writing.useTerms()
  t.is(at.term!.usedMs, nowMs() - readLeaseMs)
  writing.forget(7)
  t.is(writing.size, 0)
})
