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
import type { Key, KeyMutation, KeyValueStore, RangeOptions } from './contract.ts'
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

  range(
    from: Key,
    to: Key,
    { onDamaged }: RangeOptions = {},
  ): AsyncIterable<readonly [Key, Uint8Array]> {
    const range = { gte: Buffer.from(from, 'latin1'), lt: Buffer.from(to, 'latin1') }
    return new Pairs(this.#level.iterator(range), {
      end: range.lt,
      onDamaged: onDamaged ?? failAt,
      failed: cause => this.#failed('read', cause),
    })
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

interface PairsInit {
  /** Behind all of the range. */
  readonly end: Buffer
  readonly onDamaged: (key: Key) => void
  /** What those who ask for the pairs are told of an error of Level. */
  readonly failed: (cause: unknown) => ClusterError
}

/**
 * The pairs of an iterator of Level, which shows the state in which it was made. By hand and not as a generator:
 * what is at hand is given without further promises, as a listing has many.
 *
 * 1. Level passes over what it cannot read, and says so at the end of a range only. So who leaves a range early goes to
 *    its end first, and is told as well: what was given may have gaps.
 */
class Pairs implements AsyncIterableIterator<readonly [Key, Uint8Array]> {
  readonly #iterator: ByteIterator
  readonly #init: PairsInit
  #step: [Buffer, Uint8Array][] = []
  #next = 0
  #ended = false

  constructor(iterator: ByteIterator, init: PairsInit) {
    this.#iterator = iterator
    this.#init = init
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<readonly [Key, Uint8Array]>> {
    try {
      const value = this.#take()
      return value === null ? this.#fetch() : Promise.resolve({ done: false, value })
    } catch (error) {
      return this.#failed(error)
    }
  }

  /** @throws ClusterError DISK when something was passed over. */
  async return(): Promise<IteratorResult<readonly [Key, Uint8Array]>> {
    try {
      if (!this.#ended) await this.#seekEnd()
    } catch (error) {
      return await this.#failed(error)
    }
    return await this.#close()
  }

  async #seekEnd(): Promise<void> {
    this.#iterator.seek(this.#init.end)
    await this.#iterator.nextv(1)
  }

  async #close(): Promise<IteratorResult<readonly [Key, Uint8Array]>> {
    this.#step = []
    this.#ended = true
    await this.#iterator.close()
    return { done: true, value: undefined }
  }

  /** null when there is none at hand. */
  #take(): readonly [Key, Uint8Array] | null {
    while (this.#next < this.#step.length) {
      const [bytes, record] = this.#step[this.#next++]!
      const key = bytes.toString('latin1')
      const value = unsealed(bytes, record)
      if (value !== null) return [key, value]
      this.#init.onDamaged(key)
    }
    return null
  }

  async #fetch(): Promise<IteratorResult<readonly [Key, Uint8Array]>> {
    try {
      while (!this.#ended) {
        this.#step = await this.#iterator.nextv(rangeStep)
        this.#next = 0
        if (this.#step.length === 0) break
        const value = this.#take()
        if (value !== null) return { done: false, value }
      }
      return await this.#close()
    } catch (error) {
      return await this.#failed(error)
    }
  }

  async #failed(error: unknown): Promise<never> {
    await this.#close()
    throw error instanceof ClusterError ? error : this.#init.failed(error)
  }
}

/** Pairs fetched from Level at a time: one trip to its thread for so many. */
const rangeStep = 256
