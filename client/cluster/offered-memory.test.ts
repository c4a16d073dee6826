import test from 'ava'
import { type ClusterCode, ClusterError } from '../../network/errors.ts'
import { leastOfferedBytes, offerProofBytes } from '../../network/limits.ts'
import { silentLog } from '../../network/log.ts'
import { canFetch } from '../../network/memory/fetching.test-support.ts'
import { fetchFrom } from '../../network/memory/process-memory.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type { OfferMemoryRequest, WriteBlockRequest } from '../../network/wire/operations.ts'
import { OfferedMemory } from './offered-memory.ts'

const fetching = canFetch ? test : test.skip
const boot = 'this boot'
const request = { ino: 1 } as WriteBlockRequest
const large = [Buffer.alloc(leastOfferedBytes, 1), Buffer.from('and more')]

/** A server that finds the proof where it is said to be, as often as it may. */
function serverOf({ finds = true, knows = true } = {}) {
  let asked = 0
  const proof = new Uint8Array(offerProofBytes).fill(7)
  const call = async (_: string, { source }: OfferMemoryRequest) => {
    asked++
    if (!knows) throw new ClusterError('UNKNOWN_OPERATION', 'offerMemory')
    if (source === undefined) return { body: { proof }, payload: [] }
    const found = Buffer.alloc(offerProofBytes)
    const isThere = fetchFrom(source.process, source.places, found) === 0 && found.equals(proof)
    return { body: { isFetched: isThere && finds }, payload: [] }
  }
  return { peer: { call, hello: { id: 's1' } } as unknown as Peer, timesAsked: () => asked }
}

const settled = () => new Promise(resolve => setImmediate(resolve))

async function setUp(how?: Parameters<typeof serverOf>[0]) {
  const logged: string[] = []
  const note = (_: object, text: string) => void logged.push(text)
  const memory = new OfferedMemory(boot, { info: note, warn: note })
  const server = serverOf(how)
  memory.told(server.peer, { boot })
  await settled()
  /** How much is offered, and how much is sent. */
  const write = (payload = large, peer = server.peer) =>
    memory.offering(peer, { request, payload }, async sent => [
      sent.request.offered?.bytes ?? 0,
      sent.payload.reduce((sum, piece) => sum + piece.length, 0),
    ])
  return { memory, server, write, logged }
}

const bytes = leastOfferedBytes + 8

fetching(
  'a large write is offered to a server that has fetched the proof, and its data is where it says',
  async t => {
    const { memory, server, write } = await setUp()
    t.deepEqual(await write(), [bytes, 0])
    const target = Buffer.alloc(bytes)
    await memory.offering(server.peer, { request, payload: large }, async sent => {
      t.is(sent.request.ino, request.ino)
      t.is(fetchFrom(process.pid, sent.request.offered!.places, target), 0)
    })
    t.true(target.equals(Buffer.concat(large)))
  },
)

test('what is small is sent', async t => {
  const { write } = await setUp()
  t.deepEqual(await write([Buffer.alloc(leastOfferedBytes - 1)]), [0, leastOfferedBytes - 1])
})

fetching(
  'nothing is offered to a server that cannot fetch, or is older, or elsewhere, or was not asked',
  async t => {
    for (const how of [{ finds: false }, { knows: false }]) {
      t.deepEqual(await (await setUp(how)).write(), [0, bytes])
    }
    const { memory, write } = await setUp()
    const next = serverOf()
    t.deepEqual(await write(large, next.peer), [0, bytes])
    memory.told(next.peer, { boot: 'another boot' })
    await settled()
    t.deepEqual(await write(large, next.peer), [0, bytes])
    const nameless = new OfferedMemory('', silentLog)
    nameless.told(next.peer, { boot: '' })
    await settled()
    t.is(next.timesAsked(), 0)
  },
)

fetching('a server is asked once on a connection, and anew on the next', async t => {
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

fetching('what could not be fetched is sent at once, and so is all else from then on', async t => {
  const { memory, server, write, logged } = await setUp()
  const failing = (code: ClusterCode) => {
    const sent: boolean[] = []
    const calling = memory.offering(server.peer, { request, payload: large }, call => {
      sent.push(call.payload === large)
      if (call.request.offered) return Promise.reject(new ClusterError(code, 'not there'))
      return Promise.resolve(sent)
    })
    return calling
  }
  for (const code of ['TIMEOUT', 'CHECKSUM'] as const) {
    await t.throwsAsync(failing(code), { message: /not there/ })
    t.deepEqual(await write(), [bytes, 0])
  }
  t.deepEqual(logged, [])
  t.deepEqual(await failing('UNFETCHED'), [false, true])
  t.deepEqual(await write(), [0, bytes])
  t.is(logged.length, 1)
})

test('that nothing can be fetched is logged, but not that a server is older', async t => {
  t.is((await setUp({ finds: false })).logged.length, 1)
  t.is((await setUp({ knows: false })).logged.length, 0)
})
