import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError } from '../../network/errors.ts'
import { chunkBytes, replacingReserveFraction } from '../../network/limits.ts'
import { packRanges } from '../../network/wire/block-ranges.ts'
import { checksumsOf } from '../../network/wire/checksum.ts'
import type { CopyBlockRequest, ReadBlockRequest } from '../../network/wire/operations.ts'
import { MemoryDevice } from '../device/memory.ts'
import { AppendGrants } from '../leases/append-grants.ts'
import { ReadLeases } from '../leases/read-leases.ts'
import { Sessions } from '../leases/sessions.ts'
import { openMemoryStore } from '../metadata/level.ts'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { Partition } from '../partition/partition.ts'
import type { Peers } from '../peers.ts'
import { SyncPoint } from '../sync-point.ts'
import { noTotals } from '../testing/room.ts'
import { StoreDouble } from '../testing/store-double.ts'
import { BlockService } from './block-service.ts'
import { openBlockStore } from './block-store.ts'
import type { BlockStore } from './contract.ts'
import { CopySources } from './copying.ts'

const file = { ino: 2 ** 40 + 9, generation: 0 }
const everything = { ...file, block: 0, offset: 0, reach: 2 ** 30, purge: false, durable: false }

interface Fixture {
  readonly blocks: BlockStore
  readonly service: BlockService
  readonly partition: Partition
  readonly syncPoint: SyncPoint
  write(block: number, chunks: number): Promise<unknown>
  onAsk: () => Promise<void>
  onWay: (payload: readonly Uint8Array[]) => readonly Uint8Array[]
}

async function setUp(capacityChunks: number, double?: StoreDouble): Promise<Fixture> {
  const env = new SimulatedEnv({ seed: 1 })
  const unexpected = (error: Error) => {
    throw error
  }
  const store = new MetadataStore(double ?? (await openMemoryStore()), unexpected)
  const blocks: BlockStore = await openBlockStore({
    env,
    device: new MemoryDevice({
      env,
      capacityBytes: capacityChunks * chunkBytes * (1 + replacingReserveFraction),
    }),
    index: store,
    partitions: [1],
    fallenBack: () => [],
    log: { error: (_, message) => unexpected(new Error(message)) },
    onPressure: () => void syncPoint.sync(),
  })
  const syncPoint = new SyncPoint(blocks, store)
  const partition = new Partition(1, {
    env,
    store,
    sessions: new Sessions(env, { closed: () => undefined, expired: () => undefined }),
    grants: new AppendGrants(env),
    leases: new ReadLeases({ env, serves: () => true }),
    touched: () => undefined,
    purgeQueued: () => undefined,
    askQuota: () => Promise.reject(new Error('nobody is asked')),
    splitter: { splitEntries: Infinity, splitEntriesOfOne: Infinity, overgrown: () => undefined },
    totals: noTotals(),
  })
  /** Sources are blocks of this partition, asked for as those of another server are. */
  const call = async (_: string, __: number, request: object) => {
    await fixture.onAsk()
    const { body, payload } = await service.read(partition, request as ReadBlockRequest)
    return { body, payload: fixture.onWay(payload) }
  }
  const service = new BlockService(env, blocks, new CopySources({ call } as unknown as Peers, 8))
  const write = (block: number, chunks: number) => {
    const data = [Buffer.alloc(chunks * chunkBytes, block + 1)]
    const checksums = checksumsOf(data, 0, chunkBytes)
    const request = {
      ...file,
      block,
      ranges: [0, chunks * chunkBytes],
      checksums,
      slot: 0,
      sequence: 1,
    }
    return service.write(partition, request, data, () => ({ key: 'kept', value: null }))
  }
  const fixture: Fixture = {
    blocks,
    service,
    partition,
    syncPoint,
    write,
    onAsk: async () => undefined,
    onWay: payload => payload,
  }
  return fixture
}

test('blocks that are cut are counted, and a repeated cut finds nothing', async t => {
  const { service, partition, write } = await setUp(8)
  for (let block = 0; block < 3; block++) await write(block, 2)
  t.like(partition.facts, { blocks: 3, blockBytes: 6 * chunkBytes })
  await service.cut(partition, { ...everything, block: 1, offset: 10 })
  t.like(partition.facts, { blocks: 2, blockBytes: 2 * chunkBytes + 10 })
  await service.cut(partition, everything)
  await service.cut(partition, everything)
  t.like(partition.facts, { blocks: 0, blockBytes: 0 })
})

test('a cut and a punch look at no block outside of their range', async t => {
  const { service, partition, write } = await setUp(32)
  for (let block = 0; block < 10; block++) await write(block, 1)
  const { store } = partition
  const range = store.range.bind(store)
  let looked = 0
  store.range = async function* (from, to, options) {
    for await (const entry of range(from, to, options)) {
      looked++
      yield entry
    }
  }
  const punch = { ...file, block: 3, offset: 0, endBlock: 4, endOffset: 10, slot: 1, sequence: 1 }
  const kept = { key: 'kept', value: null }
  await service.punch(partition, punch, () => kept)
  t.is(looked, 2)
  t.is(partition.facts.blocks, 9)
  await service.cut(partition, { ...everything, block: 7, reach: 9 })
  t.is(looked, 4)
  t.is(partition.facts.blocks, 7)
  for (const reach of [0, 7, Number.MAX_SAFE_INTEGER]) {
    await service.cut(partition, { ...everything, block: 7, reach })
  }
  t.is(partition.facts.blocks, 6, 'nothing is below a reach that is no higher')
})

test('a repeated cut is answered no sooner than the first one is committed', async t => {
  const double = new StoreDouble()
  const { service, partition, write } = await setUp(8, double)
  await write(0, 1)
  double.hold()
  const answered: string[] = []
  const first = service.cut(partition, everything).then(() => answered.push('first'))
  await new Promise(setImmediate)
  const second = service.cut(partition, everything).then(() => answered.push('second'))
  await new Promise(setImmediate)
  t.deepEqual(answered, [])
  double.release()
  await Promise.all([first, second])
})

test('blocks that were cut make room at once, also while the next one is still being changed', async t => {
  const { blocks, service, partition, syncPoint, write } = await setUp(4)
  for (let block = 0; block < 3; block++) await write(block, 1)
  await syncPoint.sync()
  const data = [Buffer.alloc(10)]
  const key = { ...file, partition: 1, block: 2 }
  const changing = await blocks.write(
    key,
    [{ offset: 0, length: 10 }],
    data,
    checksumsOf(data, 0, chunkBytes),
  )
  const cutting = service.cut(partition, everything)
  await new Promise(setImmediate)
  await write(9, 2)
  changing.abandoned()
  await cutting
  t.is(partition.facts.blocks, 1)
})

test('a block of a generation that was purged is refused, also when it was under way before', async t => {
  const { service, partition, blocks, write } = await setUp(8)
  await write(0, 1)
  const late = write(1, 1)
  await service.cut(partition, { ...everything, purge: true })
  await t.throwsAsync(late, { code: 'STALE_WRITE' })
  await t.throwsAsync(write(2, 1), { code: 'STALE_WRITE' })
  t.is(partition.facts.blocks, 0)
  t.is((await blocks.statistics()).usedBytes, 0, 'what it was given is free again')
})

test('a cut that is to be durable is answered when it is on the disk', async t => {
  const double = new StoreDouble()
  const { service, partition, write } = await setUp(8, double)
  await write(0, 1)
  await service.cut(partition, { ...everything, durable: true })
  t.true(double.written.at(-1)!.sync)
})

function copyOf(part: Partial<CopyBlockRequest>): CopyBlockRequest {
  const source = { sourceIno: file.ino, sourceGeneration: file.generation, sourceBlock: 0 }
  const where = { ...file, block: 1, offset: 0, length: chunkBytes, ...source, sourceOffset: 0 }
  return { ...where, slot: 0, sequence: 1, ...part }
}

const keep = () => ({ key: 'kept', value: null })

test('a block takes bytes of another, wherever they begin, and tells the space that they take', async t => {
  const { blocks, service, partition, write } = await setUp(16)
  await write(0, 2)
  for (const [offset, sourceOffset] of [
    [0, 0],
    [0, 5],
    [70_000, 3],
    [chunkBytes, chunkBytes / 2],
  ] as const) {
    await blocks.cut({ ...file, partition: 1, block: 1 }, 0).then(change => {
      if (change) partition.stageMutations([...change.mutations]).then(() => undefined)
      change?.staged()
    })
    const { body } = await service.copy(partition, copyOf({ offset, sourceOffset }), keep)
    t.true(body.present)
    t.true(body.allocated >= chunkBytes)
    const read = { ...file, block: 1, offset, length: chunkBytes }
    const { payload } = await service.read(partition, read)
    t.deepEqual(Buffer.concat(payload), Buffer.alloc(chunkBytes, 1))
  }
})

test('a copy of no block makes a hole', async t => {
  const { service, partition, write } = await setUp(16)
  await write(1, 2)
  const { body } = await service.copy(partition, copyOf({ sourceBlock: 5 }), keep)
  t.deepEqual(body, { allocated: -chunkBytes, present: false })
  t.like(partition.facts, { blocks: 1, blockBytes: chunkBytes })
})

test('bytes that were damaged on their way are not stored', async t => {
  const fixture = await setUp(16)
  await fixture.write(0, 1)
  fixture.onWay = payload => payload.map(piece => piece.slice().fill(9, 3, 4))
  const copying = fixture.service.copy(fixture.partition, copyOf({}), keep)
  await t.throwsAsync(copying, { code: 'CHECKSUM' })
  t.is(fixture.partition.facts.blocks, 1)
})

test('a source that cannot be asked now is no wrong turn of the client’s', async t => {
  const fixture = await setUp(16)
  for (const code of ['NOT_PRIMARY', 'STALE_EPOCH', 'UNREACHABLE'] as const) {
    fixture.onAsk = () => Promise.reject(new ClusterError(code, 'not now'))
    const copying = fixture.service.copy(fixture.partition, copyOf({}), keep)
    await t.throwsAsync(copying, { code: 'NOT_READY' })
  }
})

test('a copy that nobody waits for any more does not come after what was written since', async t => {
  const fixture = await setUp(16)
  const { service, partition, write } = fixture
  for (const block of [0, 1]) await write(block, 1)
  let isWanted = true
  fixture.onAsk = async () => {
    isWanted = false
    await write(1, 1)
  }
  const copying = service.copy(partition, copyOf({}), keep, () => isWanted)
  await t.throwsAsync(copying, { code: 'NOT_READY' })
  const read = { ...file, block: 1, offset: 0, length: chunkBytes }
  const { payload } = await service.read(partition, read)
  t.deepEqual(Buffer.concat(payload), Buffer.alloc(chunkBytes, 2))
})

test('a change that its caller gave up before its turn is not begun', async t => {
  const { service, partition, write } = await setUp(16)
  await write(1, 1)
  const read = { ...file, block: 1, offset: 0, length: chunkBytes }
  const before = Buffer.concat((await service.read(partition, read)).payload)
  const gaveUp = () => false
  const place = { ...file, slot: 3, sequence: 9, block: 1, offset: 0 }
  const data = [Buffer.alloc(chunkBytes, 7)]
  const range = { offset: 0, length: chunkBytes }
  const ranges = { ranges: packRanges([range]), checksums: checksumsOf(data, 0, chunkBytes) }
  const changes = [
    service.write(partition, { ...place, ...ranges }, data, keep, gaveUp),
    service.punch(partition, { ...place, endBlock: 2, endOffset: 0 }, keep, gaveUp),
    service.allocate(partition, { ...place, length: chunkBytes, zero: true }, keep, gaveUp),
  ]
  for (const change of changes) await t.throwsAsync(change, { code: 'NOT_READY' })
  const after = Buffer.concat((await service.read(partition, read)).payload)
  t.true(after.equals(before))
})

test('a punch that ended half way tells of all that it gave back when it is repeated', async t => {
  const { service, partition, write } = await setUp(16)
  for (let block = 0; block < 4; block++) await write(block, 1)
  const punch = { ...file, slot: 3, sequence: 9, block: 0, offset: 0, endBlock: 4, endOffset: 0 }
  let asked = 0
  const gaveUp = service.punch(partition, punch, keep, () => ++asked < 3)
  await t.throwsAsync(gaveUp, { code: 'NOT_READY' })
  t.is(partition.facts.blocks, 2)
  t.is((await service.punch(partition, punch, keep)).body.allocated, -4 * chunkBytes)
  t.is((await service.punch(partition, punch, keep)).body.allocated, 0, 'that was told')
})

test('so does a copy, and begins none of its runs once it is given up', async t => {
  const { service, partition, write } = await setUp(16)
  await write(0, 3)
  const hole = { ...file, slot: 2, sequence: 1, block: 0, offset: chunkBytes, endBlock: 0 }
  await service.punch(partition, { ...hole, endOffset: 2 * chunkBytes }, keep)
  const copy = copyOf({ block: 5, length: 3 * chunkBytes })
  for (const runs of [0, 1, 2]) {
    let asked = 0
    const gaveUp = service.copy(partition, copy, keep, () => ++asked < runs + 2)
    await t.throwsAsync(gaveUp, { code: 'NOT_READY' })
    const read = { ...file, block: 5, offset: 2 * chunkBytes, length: chunkBytes }
    const { payload } = await service.read(partition, read)
    t.deepEqual(Buffer.concat(payload), Buffer.alloc(payload.length > 0 ? chunkBytes : 0))
  }
  t.is((await service.copy(partition, copy, keep)).body.allocated, 2 * chunkBytes)
})

test('ranges that no block has are refused', async t => {
  const { service, partition } = await setUp(16)
  const wrong = [{ length: 0 }, { length: -1 }, { offset: 2 ** 30 }, { sourceOffset: -5 }]
  for (const part of [...wrong, { sourceIno: 0.5 }, { block: -1 }]) {
    const copying = service.copy(partition, copyOf(part), keep)
    await t.throwsAsync(copying, { code: 'MALFORMED' }, JSON.stringify(part))
  }
  const range = { ...file, slot: 0, sequence: 1, block: 0, offset: 2 ** 40, length: 5, zero: false }
  await t.throwsAsync(service.allocate(partition, range, keep), { code: 'MALFORMED' })
  const punch = { ...range, endBlock: 3, endOffset: 0 }
  await t.throwsAsync(service.punch(partition, punch, keep), { code: 'MALFORMED' })
})

test('who served the file before cuts nothing any more once a later one has', async t => {
  const { service, partition, blocks, write } = await setUp(64)
  await write(0, 1)
  await service.cut(partition, { ...everything, epoch: 7, block: 1 })
  const late = { ...everything, epoch: 6 }
  await t.throwsAsync(service.cut(partition, late), { code: 'STALE_EPOCH' })
  t.is((await blocks.statistics()).blocks, 1)
  await service.cut(partition, { ...everything, epoch: 7 })
  t.is((await blocks.statistics()).blocks, 0)
})

test('a partition that went elsewhere in the middle of a cut or a search answers neither', async t => {
  const { service, partition, write } = await setUp(64)
  await write(0, 1)
  const cutting = service.cut(partition, { ...everything, block: 1 })
  const search = { ...file, block: 1, offset: 0, reach: 8, hole: false }
  const seeking = service.seek(partition, search)
  partition.close()
  await t.throwsAsync(cutting, { code: 'NOT_PRIMARY' })
  await t.throwsAsync(seeking, { code: 'NOT_PRIMARY' })
})
