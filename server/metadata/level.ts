/** The key-value contract over Level: classic-level on disk, memory-level in tests and simulation. */
import type { AbstractIterator, AbstractLevel } from 'abstract-level'
import { Level } from 'level'
import { MemoryLevel } from 'memory-level'
import { ClusterError } from '../../network/errors.ts'
import { levelBlockCacheBytes, levelWriteBufferBytes } from '../../network/limits.ts'
import type { Key, KeyMutation, KeyValueStore, RangeOptions } from './contract.ts'
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
    writeBufferSize: levelWriteBufferBytes,
    compression: true,
    createIfMissing: mayBeNew,
  })
  try {
    await level.open()
  } catch (error) {
    throw openError(directory, error)
  }
  return new LevelStore(level as unknown as ByteLevel, directory, () => syncOlderLogs(directory))
}

export async function openMemoryStore(): Promise<KeyValueStore> {
  const level = new MemoryLevel<Buffer, Uint8Array>({ ...encodings, storeEncoding: 'buffer' })
  await level.open()
  return new LevelStore(level as unknown as ByteLevel, 'memory', () => Promise.resolve())
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

class LevelStore implements KeyValueStore {
  readonly #level: ByteLevel
  readonly #name: string
  readonly #syncOlder: () => Promise<void>

  constructor(level: ByteLevel, name: string, syncOlder: () => Promise<void>) {
    this.#level = level
    this.#name = name
    this.#syncOlder = syncOlder
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
      if (options.sync) await this.#syncOlder()
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
    return pairsOf(this.#level.iterator(range), onDamaged ?? failAt)
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

/** An iterator shows the state in which it was made. */
async function* pairsOf(
  iterator: ByteIterator,
  onDamaged: (key: Key) => void,
): AsyncGenerator<readonly [Key, Uint8Array]> {
  try {
    for (;;) {
      const pairs = await iterator.nextv(rangeStep)
      if (pairs.length === 0) return
      for (const [bytes, record] of pairs) {
        const key = bytes.toString('latin1')
        const value = unsealed(bytes, record)
        if (value === null) onDamaged(key)
        else yield [key, value]
      }
    }
  } finally {
    await iterator.close()
  }
}

/** Pairs fetched from Level at a time: one trip to its thread for so many. */
const rangeStep = 256
