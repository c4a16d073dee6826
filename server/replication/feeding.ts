/**
 * Makes another server's copy equal to the one here while this one changes: pages of signatures go over, and
 * what differs follows. What changes meanwhile is pushed into the same stream by others, so what is read here
 * in one tick is pushed in that tick: the holder then compares at the same point of the log.
 */
import { ClusterError } from '../../network/errors.ts'
import {
  feedPageRows,
  feedRowBytes,
  maxFeedBlocks,
  maxFeedBodyRows,
  maxFeedRounds,
} from '../../network/limits.ts'
import type { FeedReply } from '../../network/wire/operations.ts'
import type { BlockStore } from '../blocks/contract.ts'
import { parseBlockKey } from '../blocks/index.ts'
import { runsOf, shapeOf } from '../blocks/shape.ts'
import type {
  Key,
  KeyMutation,
  KeyReader,
  KeyValueStore,
  RangeOptions,
} from '../metadata/contract.ts'
import { partitionRange } from '../metadata/keys.ts'
import { digestOf, signatureOfRow } from './comparing.ts'
import { unreadable, unreadableData } from './damaged-source.ts'
import type { Fed, FeedStream } from './feed-stream.ts'
import { encodeRows, isBlockKey } from './rows.ts'

export interface FeedSource {
  readonly partition: number
  readonly store: KeyReader & Pick<KeyValueStore, 'range'>
  readonly blocks: Pick<BlockStore, 'read'>
}

export interface FeedPace {
  /** So many bytes of the copy have been looked at. */
  passed(bytes: number): void
  /** Waits until so many more may be sent. */
  sending(bytes: number): Promise<void>
}

/** @throws DamagedSource when something here is damaged; ClusterError CHECKSUM when the copies do not become equal. */
export async function feedCopy(
  source: FeedSource,
  stream: FeedStream,
  pace: FeedPace,
): Promise<void> {
  for (let round = 0; round < maxFeedRounds; round++) {
    await feedPages(source, stream, pace)
    if (await isEqual(source, stream)) return
  }
  const text = `the copy of partition ${source.partition} does not become equal`
  throw new ClusterError('CHECKSUM', text)
}

/** Of the copy here: nothing is left out. */
const undamaged: RangeOptions = {
  onDamaged: key => {
    throw unreadable(key)
  },
}

async function isEqual({ partition, store }: FeedSource, stream: FeedStream): Promise<boolean> {
  const theirs = stream.push({ item: { kind: 'digest' }, payload: [] }, 1)
  const [mine, reply] = await Promise.all([
    digestOf(store.range(...partitionRange(partition), undamaged)),
    theirs,
  ])
  return reply.digest !== null && Buffer.compare(mine, reply.digest) === 0
}

async function feedPages(source: FeedSource, stream: FeedStream, pace: FeedPace): Promise<void> {
  const [start, end] = partitionRange(source.partition)
  for (let from = start; from < end; ) {
    const page = readPage(source, from, end)
    const asFed = page.then(({ keys, signatures, to }): Fed => {
      const bytes = (key: Key) => Buffer.from(key, 'latin1')
      const keyBytes = keys.map(bytes)
      const item = {
        kind: 'compare' as const,
        from: bytes(from),
        to: bytes(to),
        keys: keyBytes,
        signatures,
      }
      return { item, payload: [] }
    })
    const [{ keys, to, bytes }, { differing }] = await Promise.all([page, stream.push(asFed, 1)])
    await sendDiffering(
      source,
      stream,
      pace,
      differing.map(index => keys[index]!),
    )
    pace.passed(bytes)
    from = to
  }
}

interface Page {
  readonly keys: readonly Key[]
  readonly signatures: Uint8Array
  readonly to: Key
  readonly bytes: number
}

async function readPage({ store }: FeedSource, from: Key, end: Key): Promise<Page> {
  const keys: Key[] = []
  const signatures = Buffer.alloc(8 * feedPageRows)
  let bytes = 0
  for await (const [key, value] of store.range(from, end, undamaged)) {
    const signature = signatureOfRow(key, value)
    if (signature === null) throw unreadable(key)
    signatures.writeBigUInt64LE(signature, 8 * keys.length)
    keys.push(key)
    bytes += value.length + (isBlockKey(key) ? dataBytesOf(value) : 0)
    if (keys.length === feedPageRows) break
  }
  const to = keys.length < feedPageRows ? end : `${keys.at(-1)}\0`
  return { keys, signatures: signatures.subarray(0, 8 * keys.length), to, bytes }
}

export function dataBytesOf(record: Uint8Array): number {
  let bytes = 0
  for (const length of shapeOf(record)?.chunks ?? []) bytes += Math.max(0, length)
  return bytes
}

async function sendDiffering(
  source: FeedSource,
  stream: FeedStream,
  pace: FeedPace,
  keys: readonly Key[],
): Promise<void> {
  const sending = new Set<Promise<unknown>>()
  const push = (fed: Fed | Promise<Fed>, bytes: number): void => {
    const sent: Promise<FeedReply | undefined> = stream
      .push(fed, bytes)
      .finally(() => sending.delete(sent))
    sending.add(sent)
    sent.catch(() => undefined)
  }
  let rows: KeyMutation[] = []
  let rowBytes = 0
  const flush = (): void => {
    if (rows.length === 0) return
    const { item, payload } = rowsFed(rows)
    push({ item, payload }, rowBytes)
    rows = []
    rowBytes = 0
  }
  for (const key of keys) {
    const value = source.store.get(key)
    if (isBlockKey(key)) {
      // What is gone by now was cut in the stream.
      if (value === undefined) continue
      push(blockFed(source, key, value), dataBytesOf(value))
      flush()
      await pace.sending(dataBytesOf(value))
    } else {
      const bytes = key.length + (value?.length ?? 0)
      rows.push({ key, value: value ?? null })
      rowBytes += bytes
      if (rowBytes < feedRowBytes) continue
      // As they are now: they are pushed before anything else can change them.
      const sent = rowBytes
      flush()
      await pace.sending(sent)
    }
    while (sending.size >= maxFeedBlocks) await Promise.race(sending)
  }
  flush()
  await Promise.all(sending)
}

/** As one item, or as a payload where they are long. */
export function rowsFed(rows: readonly KeyMutation[]): Fed {
  const encoded = encodeRows(rows)
  if (encoded.length <= maxFeedBodyRows)
    return { item: { kind: 'rows', rows: encoded }, payload: [] }
  return { item: { kind: 'rows', rows: null }, payload: [encoded] }
}

/** To be called in the tick in which `value` was read: reads see the block as it says. */
async function blockFed({ blocks }: FeedSource, key: Key, value: Uint8Array): Promise<Fed> {
  const shape = shapeOf(value)
  if (shape === null) throw unreadable(key)
  const name = parseBlockKey(key)
  const written = runsOf(shape).filter(run => run.isWritten)
  const reading = written.map(({ offset, length }) => blocks.read(name, offset, length))
  const data = await Promise.all(reading).catch(error => {
    throw unreadableData(key, error)
  })
  const { ino, generation, block } = name
  const item = { kind: 'block' as const, ino, generation, block, ...shape }
  return { item, payload: data.flatMap(read => read?.pieces ?? []) }
}
