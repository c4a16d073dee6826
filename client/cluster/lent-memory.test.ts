import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import { leastLentBytes, lendingProofBytes } from '../../network/limits.ts'
import { fetchFrom } from '../../network/memory/process-memory.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { LendMemoryRequest, WriteBlockRequest } from '../../network/wire/operations.ts'
import { LentMemory } from './lent-memory.ts'

const boot = 'this boot'
const request = { ino: 1 } as WriteBlockRequest
const large = [Buffer.alloc(leastLentBytes, 1), Buffer.from('and more')]

/** A server that finds the proof where it is said to be, as often as it may. */
function serverOf({ finds = true, knows = true } = {}) {
  let asked = 0
  const proof = new Uint8Array(lendingProofBytes).fill(7)
  const call = async (_: string, { lender }: LendMemoryRequest) => {
    asked++
    if (!knows) throw new ClusterError('UNKNOWN_OPERATION', 'lendMemory')
    if (lender === undefined) return { body: { proof }, payload: [] }
    const found = Buffer.alloc(lendingProofBytes)
    const isThere = fetchFrom(lender.process, lender.places, found) === 0 && found.equals(proof)
    return { body: { isFetched: isThere && finds }, payload: [] }
  }
  return { peer: { call } as unknown as Peer, timesAsked: () => asked }
}

const settled = () => new Promise(resolve => setImmediate(resolve))

async function setUp(how?: Parameters<typeof serverOf>[0]) {
  const memory = new LentMemory(boot)
  const server = serverOf(how)
  memory.told(server.peer, { boot })
  await settled()
  /** How much is lent, and how much is sent. */
  const write = (payload = large, peer = server.peer) =>
    memory.lending(peer, 'writeBlock', { request, payload }, async sent => [
      sent.request.lent?.bytes ?? 0,
      sent.payload.reduce((sum, piece) => sum + piece.length, 0),
    ])
  return { memory, server, write }
}

const bytes = leastLentBytes + 8

test('a large write is lent to a server that has fetched the proof, and its data is where it says', async t => {
  const { memory, server, write } = await setUp()
  t.deepEqual(await write(), [bytes, 0])
  const target = Buffer.alloc(bytes)
  await memory.lending(server.peer, 'writeBlock', { request, payload: large }, async sent => {
    t.is(sent.request.ino, request.ino)
    t.is(fetchFrom(process.pid, sent.request.lent!.places, target), 0)
  })
  t.true(target.equals(Buffer.concat(large)))
})

test('what is small is sent, and so is what is no write of a block', async t => {
  const { memory, server, write } = await setUp()
  t.deepEqual(await write([Buffer.alloc(leastLentBytes - 1)]), [0, leastLentBytes - 1])
  const other = { request: { ino: 1 } as never, payload: large }
  t.is(await memory.lending(server.peer, 'writeInline', other, async sent => sent.payload), large)
})

test('nothing is lent to a server that cannot fetch, or is older, or elsewhere, or was not asked', async t => {
  for (const how of [{ finds: false }, { knows: false }]) {
    t.deepEqual(await (await setUp(how)).write(), [0, bytes])
  }
  const { memory, write } = await setUp()
  const next = serverOf()
  t.deepEqual(await write(large, next.peer), [0, bytes])
  memory.told(next.peer, { boot: 'another boot' })
  await settled()
  t.deepEqual(await write(large, next.peer), [0, bytes])
  const nameless = new LentMemory('')
  nameless.told(next.peer, { boot: '' })
  await settled()
  t.is(next.timesAsked(), 0)
})

test('a server is asked once on a connection, and anew on the next', async t => {
  const { memory, server, write } = await setUp()
  memory.told(server.peer, { boot })
  await settled()
  t.is(server.timesAsked(), 2)
  const next = serverOf()
  memory.told(next.peer, { boot })
  t.deepEqual(await write(), [0, bytes], 'the connection of before')
  await settled()
  t.deepEqual(await write(large, next.peer), [bytes, 0])
  t.deepEqual(await write(), [0, bytes])
})

test('what could not be fetched is told to the caller, and sent from then on', async t => {
  const { memory, server, write } = await setUp()
  const failing = (code: 'TIMEOUT' | 'CHECKSUM') =>
    t.throwsAsync(
      memory.lending(server.peer, 'writeBlock', { request, payload: large }, () =>
        Promise.reject(new ClusterError(code, 'not there')),
      ),
      { message: /not there/ },
    )
  await failing('TIMEOUT')
  t.deepEqual(await write(), [bytes, 0])
  await failing('CHECKSUM')
  t.deepEqual(await write(), [0, bytes])
})
