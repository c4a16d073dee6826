import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { chunkBytes } from '../../network/limits.ts'
import { checksumsOf } from '../../network/wire/checksum.ts'
import { MemoryDevice } from '../device/memory.ts'
import { AppendGrants } from '../leases/append-grants.ts'
import { Sessions } from '../leases/sessions.ts'
import { openMemoryStore } from '../metadata/level.ts'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { Partition } from '../partition/partition.ts'
import { SyncPoint } from '../sync-point.ts'
import { StoreDouble } from '../testing/store-double.ts'
import { BlockService } from './block-service.ts'
import { openBlockStore } from './block-store.ts'
import type { BlockStore } from './contract.ts'

const file = { ino: 2 ** 40 + 9, generation: 0 }
const everything = { ...file, block: 0, offset: 0, reach: 2 ** 30, purge: false, durable: false }

interface Fixture {
  readonly blocks: BlockStore
  readonly service: BlockService
  readonly partition: Partition
  readonly syncPoint: SyncPoint
  write(block: number, chunks: number): Promise<unknown>
}

async function setUp(capacityChunks: number, double?: StoreDouble): Promise<Fixture> {
  const env = new SimulatedEnv({ seed: 1 })
  const unexpected = (error: Error) => {
    throw error
  }
  const store = new MetadataStore(double ?? (await openMemoryStore()), unexpected)
  const blocks: BlockStore = await openBlockStore({
    env,
    device: new MemoryDevice({ env, capacityBytes: capacityChunks * chunkBytes }),
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
    touched: () => undefined,
    purgeQueued: () => undefined,
  })
  const service = new BlockService(env, blocks)
  const write = (block: number, chunks: number) => {
    const data = [Buffer.alloc(chunks * chunkBytes, block + 1)]
    const checksums = checksumsOf(data, 0, chunkBytes)
    const request = { ...file, block, offset: 0, checksums, slot: 0, sequence: 1 }
    return service.write(partition, request, data, () => ({ key: 'kept', value: null }))
  }
  return { blocks, service, partition, syncPoint, write }
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
  const changing = await blocks.write(key, 0, data, checksumsOf(data, 0, chunkBytes))
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
