import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { statfsWaitMs } from '../../network/limits.ts'
import type { StatfsReply } from '../../network/wire/operations.ts'
import { SpaceShares } from '../cache/space-shares.ts'
import type { Cluster } from '../cluster/contract.ts'
import { sumOf } from './statfs.ts'

const one: StatfsReply = {
  disk: 'a',
  usedBytes: 10,
  freeBytes: 100,
  ownFreeBytes: 0,
  files: 1,
  metaDisk: 'm',
  freeFiles: 1_000,
}

test('the free space of a disk counts once, though several servers share it', t => {
  const shares = [
    one,
    { ...one, usedBytes: 20, freeBytes: 99, files: 2, freeFiles: 999 },
    { ...one, disk: 'b', usedBytes: 5, freeBytes: 50, files: 3, metaDisk: 'n', freeFiles: 10 },
  ]
  const space = { totalBytes: 185, freeBytes: 150, availableBytes: 150 }
  t.deepEqual(sumOf(shares), { ...space, files: 6, freeFiles: 1_010 })
})

test('what is free in the files of servers that share a disk is free for each', t => {
  const emptied = { ...one, freeBytes: 140, ownFreeBytes: 40 }
  const other = { ...one, freeBytes: 129, ownFreeBytes: 30 }
  t.is(sumOf([emptied, other]).freeBytes, 40 + 30 + 100)
})

/** Servers `a` and `b`; `b` answers as `answer` does. */
function setUp(answer: () => Promise<StatfsReply>) {
  const env = new SimulatedEnv({ seed: 1 })
  let asked = 0
  const ask = async (_name: string, server: string) => {
    if (server === 'b') asked++
    return { body: server === 'a' ? one : await answer(), payload: [] }
  }
  const cluster = { env, servers: () => ['a', 'b'], ask } as unknown as Cluster
  return { env, shares: new SpaceShares(cluster), asked: () => asked }
}

const other = { ...one, disk: 'b', metaDisk: 'n' }

test('a server that is away counts with what it held, and with nothing free', async t => {
  let down = false
  const { shares } = setUp(async () => {
    if (down) throw new Error('EIO')
    return other
  })
  t.deepEqual(await shares.all(), [one, other])
  down = true
  t.deepEqual(await shares.all(), [one, { ...other, freeBytes: 0, freeFiles: 0 }])
  t.is(await shares.allPresent(), null, 'nobody can say how much room there is')
  down = false
  t.deepEqual(await shares.all(), [one, other])
  t.deepEqual(await shares.allPresent(), [one, other])
})

test('a server that never answered is left out, and waited for once', async t => {
  const answer = Promise.withResolvers<StatfsReply>()
  const { env, shares, asked } = setUp(() => answer.promise)
  const first = shares.all()
  await env.advance(statfsWaitMs)
  t.deepEqual(await first, [one])
  t.deepEqual(await shares.all(), [one])
  t.is(asked(), 1)
  answer.resolve(other)
  await env.advance(1)
  t.deepEqual(await shares.all(), [one, other])
})
