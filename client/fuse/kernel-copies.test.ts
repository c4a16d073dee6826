import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { kernelKeepsMs, kernelSpareMs } from '../../network/limits.ts'
import { KernelCopies } from './kernel-copies.ts'

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  return { env, copies: new KernelCopies(env.clock) }
}

test('what a thread was told is on its way until it asks again, or has had the time', async t => {
  const { env, copies } = setUp()
  t.is(copies.tell(7, 1, kernelKeepsMs), kernelKeepsMs)
  t.true(copies.isOnTheWay(1))
  t.false(copies.isOnTheWay(2))
  copies.served(8)
  t.true(copies.isOnTheWay(1))
  copies.served(7)
  t.false(copies.isOnTheWay(1))
  copies.tell(7, 1, kernelKeepsMs)
  await env.advance(kernelSpareMs - 1)
  t.true(copies.isOnTheWay(1))
  await env.advance(1)
  t.false(copies.isOnTheWay(1), 'the kernel may have evicted it since')
})

test('what is told first after others have changed it is not kept, before the kernel has it', t => {
  const { copies } = setUp()
  copies.tell(7, 1, kernelKeepsMs)
  copies.outdate(1)
  t.true(copies.isKept(1))
  copies.dropped(1)
  t.false(copies.isKept(1))
  t.is(copies.tell(7, 1, kernelKeepsMs), 0)
  t.is(copies.tell(8, 1, kernelKeepsMs), 0)
  copies.served(8)
  t.is(copies.tell(8, 1, kernelKeepsMs), kernelKeepsMs)
})

test('a thread without a number is told nothing that may be kept', t => {
  t.is(setUp().copies.tell(0, 1, kernelKeepsMs), 0)
})
