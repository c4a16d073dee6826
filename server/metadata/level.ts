/** The key-value contract over Level: classic-level on disk, memory-level in tests and simulation. */
import { statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { AbstractIterator, AbstractLevel } from 'abstract-level'
import { Level } from 'level'
import { MemoryLevel } from 'memory-level'
import { ClusterError } from '../../network/errors.ts'
import {
  leastLevelWriteBufferBytes,
  levelBlockCacheBytes,
  levelWriteBufferBytes,
  levelWriteBufferFraction,
} from '../../network/limits.ts'
import type { Key, KeyMutation, KeyValueStore, Pair, RangeOptions } from './contract.ts'
import { type Mergeable, mergeLevel } from './merging.ts'
import { syncOlderLogs } from './older-logs.ts'
import { sealed, unsealed } from './sealed.ts'

type ByteLevel = AbstractLevel<Buffer | Uint8Array | string, Buffer, Uint8Array>

const encodings = { keyEncoding: 'buffer', valueEncoding: 'view' } as const

/**
 * @param mayBeNew make it when it is not there.
 * @throws ClusterError IN_USE when another process has it open, DISK otherwise.
 */
export async function openLevelStore(directory: string, mayBeNew = true): Promise<KeyValueStore> {
  const level = new Level<Buffer, Uint8Array>(directory, {
    ...encodings,
    cacheSize: levelBlockCacheBytes,
    writeBufferSize: await writeBufferFor(directory),
    compression: true,
    createIfMissing: mayBeNew,
  })
  try {
    await level.open()
  } catch (error) {
    throw openError(directory, error)
  }
  return new LevelStore(level as unknown as ByteLevel, directory, {
    syncOlder: () => syncOlderLogs(directory),
    compact: mostBytes => mergeLevel(level as unknown as Mergeable, directory, mostBytes),
  })
}

export async function openMemoryStore(): Promise<KeyValueStore> {
  const level = new MemoryLevel<Buffer, Uint8Array>({ ...encodings, storeEncoding: 'buffer' })
  await level.open()
  const nothing = () => Promise.resolve()
  const disk = { syncOlder: nothing, compact: nothing }
  return new LevelStore(level as unknown as ByteLevel, 'memory', disk)
}

/** Level needs some of them to merge tables: on a small disk they are small, so that it can when the disk is full. */
async function writeBufferFor(directory: string): Promise<number> {
  const { blocks, bsize } = await statfs(dirname(resolve(directory)))
  const share = Math.floor(blocks * bsize * levelWriteBufferFraction)
  return Math.min(levelWriteBufferBytes, Math.max(leastLevelWriteBufferBytes, share))
}

function openError(directory: string, error: unknown): ClusterError {
  const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined
  if (cause?.code === 'LEVEL_LOCKED') {
    const text = `${directory} is in use by another process: stop it first`
    return new ClusterError('IN_USE', text, { cause: error })
  }
  const text = `cannot open the metadata store in ${directory}: ${String(cause ?? error)}`
  return new ClusterError('DISK', text, { cause: error })
}

/** What only a store on a disk has to do. */
interface OnDisk {
  syncOlder(): Promise<void>
  compact(mostBytes: number): Promise<void>
}

class LevelStore implements KeyValueStore {
  readonly #level: ByteLevel
  readonly #name: string
  readonly #disk: OnDisk

  constructor(level: ByteLevel, name: string, disk: OnDisk) {
    this.#level = level
    this.#name = name
    this.#disk = disk
  }

  get(key: Key): Uint8Array | undefined {
    const bytes = Buffer.from(key, 'latin1')
    let record: Uint8Array | undefined
    try {
      record = this.#level.getSync(bytes)
    } catch (error) {
      throw this.#failed('read', error)
    }
    return record === undefined ? undefined : (unsealed(bytes, record) ?? failAt(key))
  }

  async batch(mutations: readonly KeyMutation[], options: { sync: boolean }): Promise<void> {
    const operations = mutations.map(({ key: text, value }) => {
      const key = Buffer.from(text, 'latin1')
      return value === null
        ? { type: 'del' as const, key }
        : { type: 'put' as const, key, value: sealed(key, value) }
    })
    try {
      await this.#level.batch(operations, options as object)
      if (options.sync) await this.#disk.syncOlder()
    } catch (error) {
      throw this.#failed('write to', error)
    }
  }

  begins(): void {}

  range(from: Key, to: Key, { onDamaged }: RangeOptions = {}): AsyncIterable<Pair> {
    return new Pairs(this.#stepsIn(from, to), onDamaged ?? failAt)
  }

  steps(from: Key, to: Key, pairs: number): AsyncIterable<readonly Pair[]> {
    return intactSteps(this.#stepsIn(from, to, { highWaterMarkBytes: largeStepBytes }), pairs)
  }

  async compact(mostBytes: number): Promise<void> {
    try {
      await this.#disk.compact(mostBytes)
    } catch (error) {
      throw this.#failed('compact', error)
    }
  }

  close(): Promise<void> {
    return this.#level.close()
  }

  #stepsIn(from: Key, to: Key, options: object = {}): Steps {
    const range = { gte: Buffer.from(from, 'latin1'), lt: Buffer.from(to, 'latin1') }
    const iterator = this.#level.iterator({ ...range, ...options })
    return new Steps(iterator, range.lt, cause => this.#failed('read', cause))
  }

  #failed(what: string, cause: unknown): ClusterError {
    const text = `cannot ${what} the metadata store in ${this.#name}: ${String(cause)}`
    return new ClusterError('DISK', text, { cause })
  }
}

function failAt(key: Key): never {
  const text = `the metadata under ${Buffer.from(key, 'latin1').toString('hex')} is damaged`
  throw new ClusterError('CHECKSUM', text)
}

type ByteIterator = AbstractIterator<ByteLevel, Buffer, Uint8Array>

/**
 * What an iterator of Level gives, which shows the state in which it was made, step by step.
 *
 * 1. Level passes over what it cannot read, and says so at the end of a range only. So who leaves a range early goes to
 *    its end first, and is told as well: what was given may have gaps.
 */
class Steps {
  readonly #iterator: ByteIterator
  readonly #end: Buffer
  readonly #failed: (cause: unknown) => ClusterError
  #ended = false

  /** @param end behind all of the range. */
  constructor(iterator: ByteIterator, end: Buffer, failed: (cause: unknown) => ClusterError) {
    this.#iterator = iterator
    this.#end = end
    this.#failed = failed
  }

  /** At most so many pairs; none at the end. @throws ClusterError DISK. */
  next(pairs: number): Promise<[Buffer, Uint8Array][]> {
    return this.#closingOnFailure(async () => {
      const step = this.#ended ? [] : await this.#iterator.nextv(pairs)
      if (step.length === 0) await this.close()
      return step
    })
  }

  /** @throws ClusterError DISK when something was passed over. */
  leave(): Promise<void> {
    return this.#closingOnFailure(async () => {
      if (this.#ended) return
      this.#iterator.seek(this.#end)
      await this.#iterator.nextv(1)
      await this.close()
    })
  }

  async close(): Promise<void> {
    this.#ended = true
    await this.#iterator.close()
  }

  async #closingOnFailure<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      await this.close()
      throw this.#failed(error)
    }
  }
}

/** @throws ClusterError CHECKSUM, DISK. */
async function* intactSteps(steps: Steps, pairs: number): AsyncGenerator<readonly Pair[]> {
  try {
    for (let step = await steps.next(pairs); step.length > 0; step = await steps.next(pairs)) {
      yield step.map(intact)
    }
  } finally {
    await steps.leave()
  }
}

function intact([bytes, record]: readonly [Buffer, Uint8Array]): Pair {
  const key = bytes.toString('latin1')
  return [key, unsealed(bytes, record) ?? failAt(key)]
}

/**
 * Pair by pair. By hand and not as a generator: what is at hand is given without further promises, as a range may have
 * many.
 */
class Pairs implements AsyncIterableIterator<Pair> {
  readonly #steps: Steps
  readonly #onDamaged: (key: Key) => void
  #step: [Buffer, Uint8Array][] = []
  #next = 0

  constructor(steps: Steps, onDamaged: (key: Key) => void) {
    this.#steps = steps
    this.#onDamaged = onDamaged
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Pair>> {
    try {
      const value = this.#take()
      return value === null ? this.#fetch() : Promise.resolve({ done: false, value })
    } catch (error) {
      return this.#failed(error)
    }
  }

  /** @throws ClusterError DISK when something was passed over. */
  async return(): Promise<IteratorResult<Pair>> {
    this.#step = []
    await this.#steps.leave()
    return { done: true, value: undefined }
  }

  /** null when there is none at hand. */
  #take(): Pair | null {
    while (this.#next < this.#step.length) {
      const [bytes, record] = this.#step[this.#next++]!
      const key = bytes.toString('latin1')
      const value = unsealed(bytes, record)
      if (value !== null) return [key, value]
      this.#onDamaged(key)
    }
    return null
  }

  async #fetch(): Promise<IteratorResult<Pair>> {
    try {
      for (;;) {
        this.#step = await this.#steps.next(rangeStep)
        this.#next = 0
        if (this.#step.length === 0) return { done: true, value: undefined }
        const value = this.#take()
        if (value !== null) return { done: false, value }
      }
    } catch (error) {
      return await this.#failed(error)
    }
  }

  async #failed(error: unknown): Promise<never> {
    this.#step = []
    await this.#steps.close()
    throw error
  }
}

/** Pairs fetched from Level at a time: one trip to its thread for so many. */
const rangeStep = 256
/** What Level may hand over at a time where more pairs are asked for: many times its own 16 KiB. */
const largeStepBytes = 256 * 1024
