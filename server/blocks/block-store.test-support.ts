/** A block store on a device in memory, and what tests do with one. */
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { chunkBytes, replacingReserveFraction } from '../../network/limits.ts'
import { checksumsOfPieces } from '../../network/wire/block-ranges.ts'
import { checksumsOf } from '../../network/wire/checksum.ts'
import { MemoryDevice } from '../device/memory.ts'
import { openBlockStore } from './block-store.ts'
import type { BlockKey, BlockStore, StagedBlock } from './contract.ts'
import { IndexDouble } from './index-double.ts'

export const MiB = 1024 * 1024

export interface Fixture {
  readonly env: SimulatedEnv
  readonly device: MemoryDevice
  readonly index: IndexDouble
  readonly logged: unknown[]
  store: BlockStore
  pressure: number
  onPressure: () => void
}

/** A disk that takes so much of new data. */
export function withReserve(bytes: number): number {
  return bytes + bytes * replacingReserveFraction
}

interface FixtureOptions {
  readonly capacityBytes?: number
  readonly slowestMs?: number
  readonly thinBytes?: number
}

export async function setUp(options: FixtureOptions = {}): Promise<Fixture> {
  const env = new SimulatedEnv({ seed: 5 })
  const device = new MemoryDevice({ env, capacityBytes: 64 * MiB, ...options })
  const fixture: Fixture = {
    env,
    device,
    index: new IndexDouble(),
    logged: [],
    store: undefined as never,
    pressure: 0,
    onPressure: () => {},
  }
  await open(fixture)
  return fixture
}

export async function open(fixture: Fixture): Promise<void> {
  const { env, device, index, logged } = fixture
  const opening = openBlockStore({
    env,
    device,
    index,
    partitions: [0, 1, 2, 3],
    fallenBack: () => [],
    log: { error: (...entry) => logged.push(entry) },
    onPressure: () => {
      fixture.pressure++
      fixture.onPressure()
    },
  })
  fixture.store = await passing(env, opening)
}

/** Lets simulated time pass until the promise is settled. */
export async function passing<T>(env: SimulatedEnv, promise: Promise<T>): Promise<T> {
  let settled = false
  const done = () => {
    settled = true
  }
  promise.then(done, done)
  await env.run(() => settled)
  return await promise
}

export function block(number: number): BlockKey {
  return { partition: 3, ino: 3 * 2 ** 40 + 77, generation: 1, block: number }
}

export function bytes(length: number, seed: number): Buffer {
  return Buffer.from(
    Uint8Array.from({ length }, (_, at) => (at * 13 + seed * 101 + (at >>> 8)) & 255),
  )
}

export function write(
  f: Fixture,
  key: BlockKey,
  offset: number,
  data: Buffer,
): Promise<StagedBlock> {
  const ranges = [{ offset, length: data.length }]
  return f.store.write(key, ranges, [data], checksumsOf([data], offset, chunkBytes))
}

export function commit(f: Fixture, change: StagedBlock | null): void {
  if (!change) return
  f.index.stage(change.mutations)
  change.staged()
}

export async function put(f: Fixture, key: BlockKey, offset: number, data: Buffer): Promise<void> {
  commit(f, await write(f, key, offset, data))
}

/** By one write. */
export async function putPieces(
  f: Fixture,
  key: BlockKey,
  pieces: readonly { readonly offset: number; readonly data: Buffer }[],
): Promise<void> {
  const ranges = pieces.map(({ offset, data }) => ({ offset, length: data.length }))
  const payload = pieces.map(({ data }) => data)
  const checksums = checksumsOfPieces(
    ranges,
    payload.map(data => [data]),
  )
  commit(f, await f.store.write(key, ranges, payload, checksums))
}

export async function get(
  f: Fixture,
  key: BlockKey,
  offset: number,
  length: number,
): Promise<Buffer | null> {
  const data = await f.store.read(key, offset, length)
  if (!data) return null
  const whole = Buffer.concat(data.pieces)
  if (!checksumsOf([whole], offset, chunkBytes).every((byte, at) => byte === data.checksums[at])) {
    throw new Error('checksums do not fit the pieces')
  }
  return whole
}

export async function syncAll(f: Fixture): Promise<void> {
  f.index.sync(await f.store.sync())
  f.store.indexSynced()
}
