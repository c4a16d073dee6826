import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError } from '../../network/errors.ts'
import { accessDelayMs, accessSettleMs, maxAccessBatch } from '../../network/limits.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { makeIno } from '../../network/wire/ids.ts'
import type { AccessedRequest } from '../../network/wire/operations.ts'
import type { Cluster } from '../cluster/contract.ts'
import { AccessTimes } from './access-times.ts'
import { OpenInode } from './open-inodes.ts'

const never = { term: null, atMs: 0, viewEpoch: 0 }

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const told: AccessedRequest[] = []
  const answers: PromiseWithResolvers<void>[] = []
  const query = async (_: string, __: number, request: AccessedRequest) => {
    told.push(request)
    const answer = Promise.withResolvers<void>()
    answers.push(answer)
    await answer.promise
    return { body: { shown: [] }, payload: [] }
  }
  const leases = { asking: () => never, keepChanged() {} }
  const accesses = new AccessTimes({ env, query: query as unknown as Cluster['query'], leases })
  const file = (sequence: number, partition = 1) => {
    const times = { atimeNs: 0n, mtimeNs: env.clock.wallNs(), ctimeNs: 0n }
    return new OpenInode({ ino: makeIno(partition, sequence), ...times } as Attributes)
  }
  return { env, accesses, told, answers, file }
}

test('what is read within a moment is told together, with how long ago it was', async t => {
  const { env, accesses, told, file } = setUp()
  const [a, b, other] = [file(1), file(2), file(1, 2)]
  accesses.read(a)
  await env.advance(accessDelayMs / 2)
  for (const one of [b, other, a]) accesses.read(one)
  t.deepEqual(told, [])
  await env.advance(accessDelayMs / 2)
  const half = { agoMs: accessDelayMs / 2 }
  t.deepEqual(told, [
    {
      accesses: [
        { ino: a.ino, agoMs: accessDelayMs },
        { ino: b.ino, ...half },
      ],
    },
    { accesses: [{ ino: other.ino, ...half }] },
  ])
  await env.advance(accessDelayMs)
  t.is(told.length, 2)
})

test('whoever looks has it told at once, and waits for the answer; a failure is nobody’s', async t => {
  const { env, accesses, told, answers, file } = setUp()
  const one = file(1)
  t.is(accesses.told(one.ino), null)
  accesses.read(one)
  let isOver = false
  const over = accesses.told(one.ino)!.then(() => {
    isOver = true
  })
  t.is(told.length, 1)
  accesses.read(one)
  await env.advance(accessDelayMs)
  t.is(told.length, 1, 'it is on its way')
  t.false(isOver)
  answers[0]!.reject(new ClusterError('CLOSED', 'the cable was pulled'))
  await over
  t.is(accesses.told(one.ino), null)
})

test('as much is told at once as one request holds, and an answer that does not come keeps nobody', async t => {
  const { env, accesses, told, file } = setUp()
  for (let sequence = 1; sequence <= maxAccessBatch; sequence++) accesses.read(file(sequence))
  t.is(told[0]?.accesses.length, maxAccessBatch)
  const all = accesses.toldAll()
  await env.advance(accessSettleMs)
  await t.notThrowsAsync(all)
})
