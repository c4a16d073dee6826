import test from 'ava'
import { directAlignmentBytes } from '../network/disk/direct-io.ts'
import { SimulatedEnv } from '../network/env/simulated.ts'
import { ClusterError } from '../network/errors.ts'
import { maxFramePayloadBytes } from '../network/limits.ts'
import { placesOf } from '../network/memory/process-memory.ts'
import type { Incoming, Peer } from '../network/rpc/contract.ts'
import type { LendMemoryReply, LendMemoryRequest } from '../network/wire/operations.ts'
import { BorrowedMemory } from './borrowed-memory.ts'

function setUp() {
  const memory = new BorrowedMemory(new SimulatedEnv({ seed: 1 }).random)
  const peer = { remote: 'unix:/run/x.sock#1' } as Peer
  const lend = async (body: LendMemoryRequest, who = peer): Promise<LendMemoryReply> =>
    (await memory.lend({ peer: who, body } as Incoming<'lendMemory'>)).body
  /** What was told, where it was put. */
  const prove = async (bytes: Uint8Array, who = peer) => {
    const kept = [Buffer.from(bytes)]
    const lender = { process: process.pid, places: placesOf(kept) }
    const { isFetched } = await lend({ lender }, who)
    return kept.length > 0 && isFetched
  }
  const codeOf = (bytes: number, places: unknown, who = peer) => {
    try {
      return memory.fetch(who, { bytes, places: places as Uint8Array }).length
    } catch (error) {
      return error instanceof ClusterError ? error.code : error
    }
  }
  return { memory, peer, lend, prove, codeOf }
}

test('who shows that the process is its own is fetched from, to where a disk can take it', async t => {
  const { memory, peer, lend, prove } = setUp()
  const { proof } = await lend({})
  t.true(await prove(proof!))
  const pieces = [Buffer.alloc(70_000, 1), Buffer.alloc(10, 2)]
  const data = memory.fetch(peer, { bytes: 70_010, places: placesOf(pieces) })
  t.true(Buffer.concat(pieces).equals(data))
  const address = new BigUint64Array(placesOf([data]).buffer)[0]!
  t.is(address % BigInt(directAlignmentBytes), 0n)
  pieces[0]!.fill(3)
  t.is(data[0], 1, 'it is a copy')
})

test('whose proof is not where it should be, or another one, is not fetched from', async t => {
  const { lend, prove, codeOf } = setUp()
  const some = Buffer.alloc(16)
  t.false(await prove(some), 'nothing was told')
  const { proof } = await lend({})
  t.false(await prove(some))
  t.false(await prove(proof!), 'it was looked for once')
  const other = { remote: 'unix:/run/x.sock#2' } as Peer
  const told = (await lend({}, other)).proof!
  await lend({})
  t.false(await prove(told), 'it was told to another')
  await lend({})
  const nowhere = { process: 2 ** 30, places: placesOf([some]) }
  t.false((await lend({ lender: nowhere })).isFetched)
  await lend({})
  const nothing = { process: '1', places: null } as never
  t.false((await lend({ lender: nothing })).isFetched)
  t.is(codeOf(16, placesOf([some])), 'MALFORMED')
})

test('who comes by another way than a Unix socket is not asked for a proof', async t => {
  const { lend } = setUp()
  for (const remote of ['tcp://127.0.0.1:7400', 'tls://[::1]:1', 'memory:1']) {
    t.deepEqual(await lend({}, { remote } as Peer), {})
  }
})

test('of what is lent no more is fetched than one call may bring, and what is not there is told as damage', async t => {
  const { lend, prove, codeOf } = setUp()
  t.true(await prove((await lend({})).proof!))
  const some = Buffer.alloc(100)
  const places = placesOf([some])
  t.is(codeOf(100, places), 100)
  for (const bytes of [-1, 0.5, Number.NaN, maxFramePayloadBytes + 1]) {
    t.is(codeOf(bytes, places), 'MALFORMED')
  }
  t.is(codeOf(100, 'no places'), 'MALFORMED')
  t.is(codeOf(99, places), 'CHECKSUM')
  t.is(codeOf(100, new Uint8Array(new BigUint64Array([16n, 100n]).buffer)), 'CHECKSUM')
  t.is(codeOf(100, places.subarray(1)), 'CHECKSUM')
})
