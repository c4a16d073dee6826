/** What a partition has stored, page by page: each call does a bounded piece of work and keeps nothing. */
import {
  encodeFacts,
  type Fact,
  factKind,
  largestBytesOf,
  lastBytesOf,
  packBytes,
  packPlace,
} from '../../network/checking/facts.ts'
import { ClusterError } from '../../network/errors.ts'
import {
  checkPageBytes,
  checkPageDamages,
  checkPageRecords,
  maxCheckNamesInos,
} from '../../network/limits.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import type {
  CheckDataRequest,
  CheckNamesRequest,
  CheckScanRequest,
  DamagedRecord,
} from '../../network/wire/operations.ts'
import type { BlockStore } from '../blocks/contract.ts'
import { parseBlockKey, partitionBlockRange } from '../blocks/index.ts'
import { blockEnd, decodeRecord } from '../blocks/record.ts'
import type { Key } from '../metadata/contract.ts'
import { cookieOf } from '../metadata/entries.ts'
import {
  endOf,
  hashOfEntriesKey,
  inoOfKey,
  isKeyOf,
  keyKind,
  kindPrefix,
  partitionRange,
} from '../metadata/keys.ts'
import type { Partition } from '../partition/partition.ts'
import {
  type Beholder,
  type Damage,
  describeRecord,
  type Sink,
  soundEntries,
} from './record-facts.ts'
import { readableRange } from './tolerant.ts'

const end: Uint8Array = new Uint8Array(0)
/** The scan of records tells of those that cannot be read. */
const passOver = { onDamaged: () => undefined }

/** Where to go on behind the last key of a page, or from where the range begins. */
function startOf(after: Uint8Array, from: Key, to: Key): Key {
  if (!(after instanceof Uint8Array)) throw new ClusterError('MALFORMED', 'no key to go on behind')
  if (after.length === 0) return from
  const start = `${Buffer.from(after).toString('latin1')}\0`
  if (start >= from && start <= to) return start
  throw new ClusterError('MALFORMED', 'a key of another partition')
}

function bytesOf(key: Key): Uint8Array {
  return new Uint8Array(Buffer.from(key, 'latin1'))
}

class PageSink implements Sink {
  readonly facts: Fact[] = []
  readonly damaged: DamagedRecord[] = []
  readonly counts = { records: 0, inodes: 0, blocks: 0, blockBytes: 0 }
  key: Key = ''
  /** Place of the last fact that the next may join. */
  #joinable = -1

  /** Neighbours of which only the sum, or the last and the largest, counts become one. */
  fact(fact: Fact): void {
    const before = this.facts[this.#joinable]
    const joins = before?.kind === fact.kind && before.ino === fact.ino
    if (joins && fact.kind === factKind.tally) {
      const sum = { ...fact, a: before.a + fact.a, b: before.b + fact.b }
      this.facts[this.#joinable] = sum
    } else if (joins && fact.kind === factKind.blocks && before.a === fact.a) {
      const largest = Math.max(largestBytesOf(before.c), largestBytesOf(fact.c))
      this.facts[this.#joinable] = { ...fact, c: packBytes(lastBytesOf(fact.c), largest) }
    } else {
      if (fact.kind !== factKind.name) this.#joinable = this.facts.length
      this.facts.push(fact)
    }
  }

  stored(bytes: number): void {
    this.counts.blocks++
    this.counts.blockBytes += bytes
  }

  damage(damage: Damage): void {
    this.damaged.push({ ...damage, key: bytesOf(this.key) })
  }
}

export async function scanPage(
  partition: Partition,
  beholder: Beholder,
  request: CheckScanRequest,
): Promise<Reply<'checkScan'>> {
  const [from, to] = partitionRange(partition.id)
  const sink = new PageSink()
  const { counts, damaged, facts } = sink
  let full = false
  const look = (key: Key) => {
    sink.key = key
    describeRecord(beholder, key, sink)
    if (isKeyOf(key, keyKind.inode)) counts.inodes++
    full = ++counts.records >= checkPageRecords || damaged.length >= checkPageDamages
  }
  const start = startOf(request.after, from, to)
  for await (const [key] of partition.store.range(start, to, { onDamaged: look })) {
    look(key)
    if (full) break
  }
  const next = full ? bytesOf(sink.key) : end
  return { body: { damaged, ...counts, next }, payload: [encodeFacts(facts)] }
}

/**
 * Names that lead to the inodes asked for.
 * @throws LockedKey while a name is promised: that it is there may be decided elsewhere already, and be told of nowhere else.
 */
export async function namesPage(
  partition: Partition,
  partitionCount: number,
  request: CheckNamesRequest,
): Promise<Reply<'checkNames'>> {
  if (!Array.isArray(request.inos) || request.inos.length > maxCheckNamesInos) {
    throw new ClusterError('MALFORMED', 'too many inodes to look for')
  }
  const wanted = new Set(request.inos)
  const prefix = kindPrefix(partition.id, keyKind.entries)
  partition.locks.checkPrefix(prefix)
  const to = endOf(prefix)
  const facts: Fact[] = []
  let records = 0
  let next = end
  const start = startOf(request.after, prefix, to)
  for await (const [key, value] of readableRange(partition.store, start, to)) {
    for (const { ino, type, place } of soundEntries(key, value, partitionCount).sound) {
      if (!wanted.has(ino)) continue
      const cookie = cookieOf(hashOfEntriesKey(key), place)
      const c = packPlace(partition.id, type)
      facts.push({ kind: factKind.name, ino, a: inoOfKey(key), b: cookie, c })
    }
    if (++records < checkPageRecords) continue
    next = bytesOf(key)
    break
  }
  return { body: { next }, payload: [encodeFacts(facts)] }
}

/** Reads blocks from the disk and compares them with their checksums. */
export async function dataPage(
  partition: Partition,
  blocks: BlockStore,
  request: CheckDataRequest,
): Promise<Reply<'checkData'>> {
  const [from, to] = partitionBlockRange(partition.id)
  const damaged: DamagedRecord[] = []
  let [count, bytes] = [0, 0]
  let next = end
  const start = startOf(request.after, from, to)
  for await (const [key, value] of partition.store.range(start, to, passOver)) {
    count++
    const record = decodeRecord(value)
    bytes += blockEnd(record ?? [])
    const damage = record === null ? null : await dataDamage(blocks, key)
    if (damage !== null) damaged.push(damage)
    if (bytes < checkPageBytes && count < checkPageRecords && damaged.length < checkPageDamages) {
      continue
    }
    next = bytesOf(key)
    break
  }
  return { body: { damaged, blocks: count, bytes, next }, payload: [] }
}

/** @returns null also for what the scan of records tells of. @throws ClusterError CLOSED. */
async function dataDamage(blocks: BlockStore, key: Key): Promise<DamagedRecord | null> {
  const place = parseBlockKey(key)
  if (blocks.damageOf(place) !== null) return null
  const detail = await readingProblem(blocks, key)
  if (detail === '') return null
  const block = `block ${place.block} of generation ${place.generation}: ${detail}`
  return { fault: 'bad-data', subject: place.ino, key: bytesOf(key), detail: block }
}

/** @returns '' when the block reads well, or is gone. @throws ClusterError CLOSED. */
export async function readingProblem(blocks: BlockStore, key: Key): Promise<string> {
  try {
    return (await blocks.verify(parseBlockKey(key))) ? '' : 'its checksum is another'
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'DISK') return error.message
    throw error
  }
}
