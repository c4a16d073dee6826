/** The block store on a file against the same file written and read bare, through the page cache. */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realEnv } from '../../network/env/real.ts'
import { chunkBytes } from '../../network/limits.ts'
import { checksumsOf } from '../../network/wire/checksum.ts'
import { openBlockStore } from '../../server/blocks/block-store.ts'
import type { BlockKey, BlockStore, StagedBlock } from '../../server/blocks/contract.ts'
import { openFileDevice } from '../../server/device/file.ts'
import type { Key, KeyMutation } from '../../server/metadata/contract.ts'
import { printTable, type Row } from './table.ts'

export const name = 'block store'

const env = realEnv()
const MiB = 1024 * 1024
const pageBytes = 4096
const blocks = 256
const smallOperations = 4096
const depth = 8
const rounds = 3

type Operation = (index: number) => Promise<unknown>

export async function run(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-bench-'))
  try {
    const bare = await measureBare(join(directory, 'bare.dat'))
    const stored = await measureStore(join(directory, 'blocks.dat'))
    return stored.map((row, index) => ({
      ...row,
      against: { what: 'a bare file', value: bare[index]!.value },
    }))
  } finally {
    await rm(directory, { recursive: true })
  }
}

interface Work {
  readonly writeBlock: Operation
  readonly readBlock: Operation
  readonly writePage: Operation
  readonly readPage: Operation
}

async function measure({ writeBlock, readBlock, writePage, readPage }: Work): Promise<Row[]> {
  const rows: Row[] = []
  const add = async (what: string, count: number, bytes: number, operation: Operation) => {
    const perSecond = await best(count, operation)
    const value = bytes === MiB ? perSecond : Math.round(perSecond)
    rows.push({ what, value, unit: bytes === MiB ? 'MiB/s' : '/s' })
  }
  await add('write 1 MiB', blocks, MiB, writeBlock)
  await add('read 1 MiB', blocks, MiB, readBlock)
  await add('write 4 KiB at random', smallOperations, pageBytes, writePage)
  await add('read 4 KiB at random', smallOperations, pageBytes, readPage)
  return rows
}

/** Operations per second, `depth` at a time: the best of some rounds. */
async function best(count: number, operation: Operation): Promise<number> {
  let most = 0
  for (let round = 0; round < rounds; round++) {
    const startMs = env.clock.monotonicMs()
    let next = 0
    const worker = async (): Promise<void> => {
      while (next < count) await operation(next++)
    }
    await Promise.all(Array.from({ length: depth }, worker))
    most = Math.max(most, (count * 1000) / (env.clock.monotonicMs() - startMs))
  }
  return Math.round(most)
}

function randomPage(): { readonly block: number; readonly offset: number } {
  const page = env.random.integer(blocks * (MiB / pageBytes))
  const offset = (page * pageBytes) % MiB
  return { block: (page * pageBytes - offset) / MiB, offset }
}

async function measureBare(path: string): Promise<Row[]> {
  const file = await open(path, 'w+')
  const data = env.random.bytes(MiB)
  const page = data.subarray(0, pageBytes)
  const rows = await measure({
    writeBlock: index => file.write(data, 0, MiB, index * MiB),
    readBlock: index => file.read(Buffer.allocUnsafeSlow(MiB), 0, MiB, index * MiB),
    writePage() {
      const { block, offset } = randomPage()
      return file.write(page, 0, pageBytes, block * MiB + offset)
    },
    readPage() {
      const { block, offset } = randomPage()
      return file.read(Buffer.allocUnsafeSlow(pageBytes), 0, pageBytes, block * MiB + offset)
    },
  })
  await file.close()
  return rows
}

async function measureStore(path: string): Promise<Row[]> {
  const records = new Map<Key, Uint8Array>()
  const keep = (mutations: readonly KeyMutation[]): void => {
    for (const { key, value } of mutations) if (value) records.set(key, value)
  }
  const store: BlockStore = await openBlockStore({
    env,
    device: await openFileDevice(path),
    index: {
      get: key => records.get(key),
      range: async function* () {},
      commit: async mutations => keep(mutations),
    },
    partitions: [],
    fallenBack: () => [],
    log: { error: failRun },
    onPressure: () => store.indexSynced(),
  })
  const commit = (change: StagedBlock): void => {
    keep(change.mutations)
    change.staged()
    store.indexSynced()
  }
  const data = [env.random.bytes(MiB)]
  const checksums = checksumsOf(data, 0, chunkBytes)
  const page = [data[0]!.subarray(0, pageBytes)]
  const pageChecksums = checksumsOf(page, 0, chunkBytes)
  const rows = await measure({
    writeBlock: async index => {
      const ranges = [{ offset: 0, length: MiB }]
      commit(await store.write(keyOf(index), ranges, data, checksums))
    },
    readBlock: index => store.read(keyOf(index), 0, MiB),
    async writePage() {
      const { block, offset } = randomPage()
      const ranges = [{ offset, length: pageBytes }]
      commit(await store.write(keyOf(block), ranges, page, pageChecksums))
    },
    readPage() {
      const { block, offset } = randomPage()
      return store.read(keyOf(block), offset, pageBytes)
    },
  })
  await store.close()
  return rows
}

function failRun(details: object, message: string): never {
  throw new Error(message, { cause: details })
}

function keyOf(block: number): BlockKey {
  return { partition: 0, ino: 16, generation: 0, block }
}

if (import.meta.main) printTable(name, await run())
