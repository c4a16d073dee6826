import test from 'ava'
import { directAlignmentBytes } from '../network/disk/direct-io.ts'
import { SimulatedEnv } from '../network/env/simulated.ts'
import { ClusterError } from '../network/errors.ts'
import { fetchRoomBytes, maxFetchedBytes, maxFramePayloadBytes } from '../network/limits.ts'
import { canFetch } from '../network/memory/fetching.test-support.ts'
import { placesOf } from '../network/memory/process-memory.ts'
import type { Incoming, Peer } from '../network/rpc/contract.ts'
import type { OfferMemoryReply, OfferMemoryRequest } from '../network/wire/operations.ts'
import { ClientMemory } from './client-memory.ts'

const fetching = canFetch ? test : test.skip
let peers = 0

function setUp() {
  const memory = new ClientMemory(new SimulatedEnv({ seed: 1 }).random)
  const join = () => ({ remote: `unix:/run/x.sock#${++peers}` }) as Peer
  const peer = join()
  const offer = async (body: unknown, who = peer): Promise<OfferMemoryReply> => {
    const incoming = { peer: who, body: body as OfferMemoryRequest }
    return (await memory.offer(incoming as Incoming<'offerMemory'>)).body
  }
  /** What was told, where it was put. */
  const prove = async (bytes: Uint8Array, who = peer) => {
    const kept = [Buffer.from(bytes)]
    const source = { process: process.pid, places: placesOf(kept) }
    const { isFetched } = await offer({ source }, who)
    return kept.length > 0 && isFetched
  }
  const fetch = (bytes: number, places: unknown, who = peer) =>
    memory.fetching(
      who,
      { bytes, places: places as Uint8Array },
      async data => data,
      () => true,
    )
  const codeOf = async (bytes: number, places: unknown, who = peer) => {
    try {
      return (await fetch(bytes, places, who)).length
    } catch (error) {
      return error instanceof ClusterError ? error.code : error
    }
  }
  return { memory, join, peer, offer, prove, fetch, codeOf }
}

fetching(
  'who shows that the process is its own is fetched from, to where a disk can take it',
  async t => {
    const { memory, offer, prove, fetch } = setUp()
    const { proof } = await offer({})
    t.true(await prove(proof!))
    const pieces = [Buffer.alloc(70_000, 1), Buffer.alloc(10, 2)]
    const data = await fetch(70_010, placesOf(pieces))
    t.true(Buffer.concat(pieces).equals(data))
    t.is(memory.fetchedBytes, 70_010)
    const address = new BigUint64Array(placesOf([data]).buffer)[0]!
    t.is(address % BigInt(directAlignmentBytes), 0n)
    pieces[0]!.fill(3)
    t.is(data[0], 1, 'it is a copy')
  },
)

fetching('whose proof is not where it should be, or another one, is not fetched from', async t => {
  const { join, offer, prove, codeOf } = setUp()
  const some = Buffer.alloc(16)
  t.false(await prove(some), 'nothing was told')
  const wrong = join()
  const { proof } = await offer({}, wrong)
  t.false(await prove(some, wrong))
  t.false(await prove(proof!, wrong), 'it was looked for once')
  t.deepEqual(await offer({}, wrong), {}, 'it is told once')
  const [one, other] = [join(), join()]
  const told = (await offer({}, one)).proof!
  await offer({}, other)
  t.false(await prove(told, other), 'it was told to another')
  for (const source of [
    { process: 2 ** 30, places: placesOf([some]) },
    { process: '1', places: null },
    { process: Number.NaN, places: placesOf([some]) },
  ]) {
    const who = join()
    await offer({ source: null }, who)
    t.false((await offer({ source }, who)).isFetched)
    t.is(await codeOf(16, placesOf([some]), who), 'MALFORMED')
  }
})

test('who comes by another way than a Unix socket is not asked for a proof', async t => {
  const { offer } = setUp()
  for (const remote of ['tcp://127.0.0.1:7400', 'tls://[::1]:1', 'memory:1']) {
    t.deepEqual(await offer({}, { remote } as Peer), {})
  }
})

fetching(
  'of what is offered no more is fetched than one call may bring, and what is not there is told',
  async t => {
    const { offer, prove, codeOf } = setUp()
    t.true(await prove((await offer({})).proof!))
    const some = Buffer.alloc(100)
    const places = placesOf([some])
    t.is(await codeOf(100, places), 100)
    for (const bytes of [-1, 0.5, Number.NaN, maxFramePayloadBytes + 1]) {
      t.is(await codeOf(bytes, places), 'MALFORMED')
    }
    t.is(await codeOf(100, 'no places'), 'MALFORMED')
    const nowhere = new Uint8Array(new BigUint64Array([16n, 100n]).buffer)
    for (const wrong of [nowhere, places.subarray(1)]) t.is(await codeOf(100, wrong), 'UNFETCHED')
    t.is(await codeOf(99, places), 'UNFETCHED')
  },
)

fetching(
  'memory is used again once nobody needs what was fetched to it, and not before',
  async t => {
    const { memory, peer, offer, prove } = setUp()
    await prove((await offer({})).proof!)
    const bytes = fetchRoomBytes - 4096
    const pieces = [Buffer.alloc(bytes, 1)]
    const addressOf = async (isKept: boolean, step: (data: Uint8Array) => Promise<void>) => {
      let address: bigint | undefined
      const fetched = memory.fetching(
        peer,
        { bytes, places: placesOf(pieces) },
        async data => {
          address = new BigUint64Array(placesOf([data]).buffer)[0]
          t.is(data.length, bytes)
          await step(data)
        },
        () => isKept,
      )
      await fetched.catch(() => undefined)
      return address
    }
    const ok = async () => undefined
    const first = await addressOf(false, ok)
    let inside: bigint | undefined
    const outside = await addressOf(true, async data => {
      inside = await addressOf(true, ok)
      t.true(Buffer.from(data).equals(pieces[0]!))
    })
    t.is(outside, first)
    t.not(inside, first)
    t.not(await addressOf(false, () => Promise.reject(new Error('the disk'))), first)
  },
)

fetching(
  'what is in hand is bounded: the next waits, in order, until something is done or has failed',
  async t => {
    const { memory, peer, offer, prove } = setUp()
    await prove((await offer({})).proof!)
    const bytes = maxFramePayloadBytes
    const pieces = [Buffer.alloc(bytes)]
    const places = placesOf(pieces)
    const most = Math.floor(maxFetchedBytes / bytes)
    const ends: PromiseWithResolvers<void>[] = []
    const calls = Array.from({ length: most + 2 }, () =>
      memory.fetching(
        peer,
        { bytes, places },
        async () => {
          const end = Promise.withResolvers<void>()
          ends.push(end)
          await end.promise
        },
        () => false,
      ),
    )
    const settled = () => new Promise(resolve => setImmediate(resolve))
    await settled()
    t.is(ends.length, most)
    ends[0]!.resolve()
    await settled()
    t.is(ends.length, most + 1)
    const failed = t.throwsAsync(calls[1]!, { message: 'the disk' })
    ends[1]!.reject(new Error('the disk'))
    await failed
    await settled()
    t.is(ends.length, most + 2)
    for (const end of ends) end.resolve()
    await Promise.allSettled(calls)
    t.is(memory.fetchedBytes, (most + 2) * bytes)
  },
)
