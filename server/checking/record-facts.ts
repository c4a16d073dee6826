/**
 * What each kind of record says, as facts for the rules (network/checking/rules.ts), and whether it fits what
 * lies beside it in its own partition: both seen in one tick, so that what does not fit is damage and no
 * change that was under way. All that a check knows of records is in this room.
 */
import {
  type Fact,
  factKind,
  packBytes,
  packLinks,
  packPlace,
} from '../../network/checking/facts.ts'
import type { FaultCode } from '../../network/checking/faults.ts'
import {
  defaultBlockBytes,
  defaultInlineBytes,
  inoSequenceLimit,
  maxBucketEntries,
  maxNameBytes,
} from '../../network/limits.ts'
import { entryHash, partitionOfBlock } from '../../network/placement/locate.ts'
import { slotOf } from '../../network/placement/shards.ts'
import { fileType, isDirectory } from '../../network/wire/attributes.ts'
import { checksumBytes } from '../../network/wire/checksum.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { parseBlockKey } from '../blocks/index.ts'
import { blockEnd, decodeRecord, storedBytes } from '../blocks/record.ts'
import type { Key, KeyReader } from '../metadata/contract.ts'
import { cookieOf, decodeEntries, type Entry } from '../metadata/entries.ts'
import { decodeHolding, type Holding, shardWith } from '../metadata/holding.ts'
import type { Inode } from '../metadata/inode.ts'
import {
  factsKey,
  generationOfPurgeKey,
  hashOfEntriesKey,
  holdingKey,
  inlineKey,
  inodeKey,
  inoOfKey,
  keyKind,
  kindOfKey,
  orphanKey,
  partitionOfKey,
  xattrsKey,
} from '../metadata/keys.ts'
import { isChecksumOf } from '../partition/inline-data.ts'
import { totalsOf } from '../partition/totals.ts'
import { type Beside, inodeProblem, isFileType, readableInode } from './inode-rules.ts'
import { areReadable, readableXattrs } from './readable-xattrs.ts'
import { decayed } from './tolerant.ts'

export interface Damage {
  readonly fault: FaultCode
  readonly subject: Ino
  readonly detail: string
}

export interface Sink {
  fact(fact: Fact): void
  damage(damage: Damage): void
  /** A block holds so many bytes. */
  stored(bytes: number): void
}

export interface Beholder {
  readonly partition: number
  readonly partitionCount: number
  readonly reader: KeyReader
  /** Why a block is known to be damaged; null when it is not. */
  readonly blockDamage: (key: Key) => string | null
}

type Describe = (beholder: Beholder, key: Key, value: Uint8Array, sink: Sink) => void

const blockKind = 'b'
const inoKeyLength = 10

/** Kind → length of its keys and what it says. */
const describers: { readonly [kind: string]: readonly [number, Describe] } = {
  [keyKind.inode]: [inoKeyLength, describeInode],
  [keyKind.entries]: [inoKeyLength + 6, describeEntries],
  [keyKind.holding]: [inoKeyLength, describeHolding],
  [keyKind.inline]: [inoKeyLength, describeInline],
  [keyKind.xattrs]: [inoKeyLength, describeXattrs],
  [keyKind.orphan]: [inoKeyLength, describeOrphan],
  [keyKind.purge]: [inoKeyLength + 4, describePurge],
  [keyKind.cut]: [inoKeyLength, describeCut],
  [keyKind.intent]: [0, describeTransaction],
  [keyKind.decision]: [0, describeTransaction],
  [keyKind.facts]: [3, describeCounts],
  [blockKind]: [19, describeBlock],
}

/** Says what the record has to say now, if it is still there. Kinds it does not know it passes over. */
export function describeRecord(beholder: Beholder, key: Key, sink: Sink): void {
  const [length, describe] = describers[kindOfKey(key)] ?? []
  const isKnown = describe !== undefined && (length === 0 || key.length === length)
  const value = beholder.reader.get(key)
  if (value === undefined) return
  if (isKnown) describe(beholder, key, value, sink)
  else if (value === decayed) sink.damage({ fault: 'bad-record', subject: 0, detail: nameOf(key) })
}

/** What is wrong with the record itself, or with it beside its inode. */
export function damageOf(beholder: Beholder, key: Key): Damage[] {
  const found: Damage[] = []
  const nothing = () => undefined
  const damage: Sink['damage'] = one => found.push(one)
  describeRecord(beholder, key, { fact: nothing, stored: nothing, damage })
  return found
}

function nameOf(key: Key): string {
  return `kind ${JSON.stringify(kindOfKey(key))} in partition ${partitionOfKey(key)}`
}

function inodeBeside({ partition, reader }: Beholder, ino: Ino): Inode | undefined {
  return readableInode(reader.get(inodeKey(partition, ino)), ino)
}

export function besideOf({ partition, reader }: Beholder, ino: Ino): Beside {
  const inline = reader.get(inlineKey(partition, ino))
  const facts = reader.get(factsKey(partition))
  return {
    inlineBytes: Math.max(0, (inline?.length ?? 0) - checksumBytes),
    nextSequence: facts === undefined ? inoSequenceLimit : numberAt(facts, 0),
    xattrs: readableXattrs(reader.get(xattrsKey(partition, ino))),
    blockBytes: defaultBlockBytes,
    inlineLimit: defaultInlineBytes,
  }
}

/** NaN when the record is too short. */
function numberAt(record: Uint8Array, at: number): number {
  if (record.length < at + 8) return Number.NaN
  return new DataView(record.buffer, record.byteOffset, record.byteLength).getFloat64(at, true)
}

function isHome({ partition }: Beholder, subject: Ino, sink: Sink): boolean {
  if (partitionOfIno(subject) === partition) return true
  const detail = `it lies in partition ${partition}`
  sink.damage({ fault: 'misplaced-record', subject, detail })
  return false
}

function describeInode(beholder: Beholder, key: Key, value: Uint8Array, sink: Sink): void {
  const ino = inoOfKey(key)
  if (!isHome(beholder, ino, sink)) return
  const inode = readableInode(value, ino)
  if (inode === undefined) {
    sink.fact({ kind: factKind.unreadable, ino, a: 0, b: 0, c: 0 })
    return
  }
  const problem = inodeProblem(inode, besideOf(beholder, ino))
  if (problem !== '') sink.damage({ fault: 'bad-inode', subject: ino, detail: problem })
  if (isDirectory(inode.mode)) {
    const { nlink, parent, size } = inode
    const a = packLinks(nlink, inode.shards.length > 0 ? 1 : 0)
    sink.fact({ kind: factKind.directory, ino, a, b: parent, c: size })
    return
  }
  const isOrphan = beholder.reader.get(orphanKey(beholder.partition, ino)) !== undefined
  if (inode.nlink === 0 && !isOrphan) {
    sink.damage({ fault: 'orphan-record', subject: ino, detail: 'it is missing' })
  }
  const links = packLinks(inode.nlink, inode.mode & fileType.mask)
  sink.fact({ kind: factKind.file, ino, a: links, b: inode.generation, c: inode.reserved })
}

function describeEntries(beholder: Beholder, key: Key, value: Uint8Array, sink: Sink): void {
  const directory = inoOfKey(key)
  if (!isShardHere(beholder, directory, hashOfEntriesKey(key))) {
    const detail = `entries of a shard that is not in partition ${beholder.partition}`
    sink.damage({ fault: 'misplaced-record', subject: directory, detail })
  }
  const { sound, problem } = soundEntries(key, value, beholder.partitionCount)
  if (problem !== '') sink.damage({ fault: 'bad-entry', subject: directory, detail: problem })
  const { partition } = beholder
  let subdirectories = 0
  for (const { ino, type, place } of sound) {
    if (type === fileType.directory) subdirectories++
    const cookie = cookieOf(hashOfEntriesKey(key), place)
    const c = packPlace(partition, type)
    sink.fact({ kind: factKind.name, ino, a: directory, b: cookie, c })
  }
  if (sound.length === 0) return
  sink.fact({ kind: factKind.tally, ino: directory, a: sound.length, b: subdirectories, c: 0 })
}

/**
 * Entries that a shard counts are not for the directory's inode to count. With a record that cannot be read no
 * count fits: the examination of the directory's counts makes it anew.
 */
function describeHolding({ partition }: Beholder, key: Key, value: Uint8Array, sink: Sink): void {
  const ino = inoOfKey(key)
  const holding = readableHolding(ino, value)
  const { entries, subdirectories } = holding === null ? uncounted : totalsOf(holding)
  sink.fact({ kind: factKind.tally, ino, a: -entries, b: -subdirectories, c: 0 })
  sink.fact({ kind: factKind.holding, ino, a: partition, b: 0, c: 0 })
}

const uncounted = { entries: Number.NaN, subdirectories: Number.NaN }

export function readableHolding(ino: Ino, value: Uint8Array | undefined): Holding | null {
  if (value === undefined) return null
  try {
    return decodeHolding(ino, value)
  } catch {
    // The caller finds out what is left of it.
    return null
  }
}

/** Whether this is where the entries with this hash belong. */
function isShardHere(beholder: Beholder, directory: Ino, hash: number): boolean {
  const { partition, reader } = beholder
  if (partitionOfIno(directory) === partition) {
    const inode = inodeBeside(beholder, directory)
    if (inode === undefined || inode.shards.length === 0) return true
  }
  const holding = readableHolding(directory, reader.get(holdingKey(partition, directory)))
  return holding !== null && shardWith(holding, slotOf(hash)) !== undefined
}

/** The entries of a record that can be believed, and what is wrong with the others. */
export function soundEntries(
  key: Key,
  value: Uint8Array,
  partitionCount: number,
): { readonly sound: Entry[]; readonly problem: string } {
  const hash = hashOfEntriesKey(key)
  const sound: Entry[] = []
  const wrong: string[] = []
  for (const entry of readableEntries(value)) {
    const problem = entry === null ? 'cut short' : entryProblem(entry, hash, sound, partitionCount)
    if (problem === '' && entry !== null) sound.push(entry)
    else wrong.push(problem)
  }
  if (sound.length === 0 && wrong.length === 0) wrong.push('it is empty')
  return { sound, problem: wrong.join(', ') }
}

/** Those that can be decoded, in the order of the record; null for what cannot. */
function readableEntries(value: Uint8Array): readonly (Entry | null)[] {
  try {
    return decodeEntries(value)
  } catch {
    for (let length = value.length - 1; length > 0; length--) {
      try {
        return [...decodeEntries(value.subarray(0, length)), null]
      } catch {
        // Shorter still.
      }
    }
    return [null]
  }
}

function entryProblem(
  { name, ino, type, place }: Entry,
  hash: number,
  before: readonly Entry[],
  partitionCount: number,
): string {
  const readable = name.length > 0 && name.length <= maxNameBytes && !name.includes(0x2f)
  if (!readable || name.includes(0) || entryHash(name) !== hash) return 'another name'
  if (!(Number.isSafeInteger(ino) && ino > 0 && partitionOfIno(ino) < partitionCount)) {
    return `inode number ${ino}`
  }
  if (!isFileType(type)) return `type ${type}`
  const taken = before.some(
    entry => entry.place === place || Buffer.compare(entry.name, name) === 0,
  )
  return place >= maxBucketEntries || taken ? 'a place that is taken' : ''
}

function describeInline(beholder: Beholder, key: Key, value: Uint8Array, sink: Sink): void {
  const ino = inoOfKey(key)
  if (!isHome(beholder, ino, sink)) return
  const inode = inodeBeside(beholder, ino)
  const stray = inode !== undefined && (inode.reach > 0 || isDirectory(inode.mode))
  if (stray) {
    sink.damage({ fault: 'stray-inline-data', subject: ino, detail: `${value.length} bytes` })
    return
  }
  sink.fact({
    kind: factKind.inline,
    ino,
    a: Math.max(0, value.length - checksumBytes),
    b: 0,
    c: 0,
  })
  const checksum = value.subarray(0, checksumBytes)
  if (value.length > checksumBytes && isChecksumOf(checksum, [value.subarray(checksumBytes)]))
    return
  sink.damage({ fault: 'bad-inline-data', subject: ino, detail: `${value.length} bytes` })
}

function describeXattrs(beholder: Beholder, key: Key, value: Uint8Array, sink: Sink): void {
  const ino = inoOfKey(key)
  if (!isHome(beholder, ino, sink)) return
  // An inode that cannot be read may be made again.
  if (beholder.reader.get(inodeKey(beholder.partition, ino)) === undefined) {
    sink.damage({ fault: 'stray-xattrs', subject: ino, detail: '' })
    return
  }
  if (value === decayed || !areReadable(value)) {
    sink.damage({ fault: 'bad-xattrs', subject: ino, detail: `${value.length} bytes` })
  }
}

function describeOrphan(beholder: Beholder, key: Key, value: Uint8Array, sink: Sink): void {
  const ino = inoOfKey(key)
  if (!isHome(beholder, ino, sink)) return
  const inode = inodeBeside(beholder, ino)
  const fits = inode !== undefined && inode.nlink === 0 && !isDirectory(inode.mode)
  if (fits && value !== decayed) return
  const unfit = inode === undefined ? 'the file is gone' : 'the file has names'
  const detail = fits ? 'it cannot be read' : unfit
  sink.damage({ fault: 'orphan-record', subject: ino, detail })
}

function describePurge(beholder: Beholder, key: Key, value: Uint8Array, sink: Sink): void {
  const ino = inoOfKey(key)
  if (!isHome(beholder, ino, sink)) return
  const generation = generationOfPurgeKey(key)
  const inode = inodeBeside(beholder, ino)
  const reach = numberAt(value, 0)
  if (!(Number.isSafeInteger(reach) && reach > 0)) {
    sink.damage({ fault: 'purge-record', subject: ino, detail: 'it cannot be read' })
  } else if (inode !== undefined && !isDirectory(inode.mode) && inode.generation === generation) {
    sink.damage({ fault: 'purge-record', subject: ino, detail: 'the file still uses the blocks' })
  } else sink.fact({ kind: factKind.purge, ino, a: generation, b: 0, c: 0 })
}

function describeCut(beholder: Beholder, key: Key, value: Uint8Array, sink: Sink): void {
  const ino = inoOfKey(key)
  if (!isHome(beholder, ino, sink)) return
  const end = numberAt(value, 0)
  if (!(Number.isSafeInteger(end) && end >= 0)) {
    sink.damage({ fault: 'cut-record', subject: ino, detail: 'it cannot be read' })
  } else if (inodeBeside(beholder, ino) === undefined) {
    sink.damage({ fault: 'cut-record', subject: ino, detail: 'the file is gone' })
  }
}

/** Whether one is stuck, time tells. */
function describeTransaction({ partition }: Beholder, key: Key, _: Uint8Array, sink: Sink): void {
  const what = key[2] === keyKind.intent ? 'promise' : 'decision'
  const detail = `a ${what} in partition ${partition}`
  sink.damage({ fault: 'stuck-transaction', subject: 0, detail })
}

function describeCounts({ partition }: Beholder, _: Key, value: Uint8Array, sink: Sink): void {
  const [a, b, c] = [numberAt(value, 8), numberAt(value, 16), numberAt(value, 24)]
  sink.fact({ kind: factKind.counts, ino: partition, a, b, c })
}

function describeBlock(beholder: Beholder, key: Key, value: Uint8Array, sink: Sink): void {
  const { partition, partitionCount } = beholder
  const { ino, generation, block } = parseBlockKey(key)
  const record = decodeRecord(value)
  sink.stored(storedBytes(record ?? []))
  const damage = (fault: FaultCode, detail: string) =>
    sink.damage({ fault, subject: ino, detail: `block ${block}${detail}` })
  if (partitionOfBlock(ino, generation, block, partitionCount) !== partition) {
    damage('misplaced-block', ` in partition ${partition}`)
    return
  }
  const known = beholder.blockDamage(key)
  if (record === null || known !== null)
    damage('bad-block', `: ${known ?? 'its record cannot be read'}`)
  const bytes = record === null ? 0 : blockEnd(record)
  const c = packBytes(bytes, bytes)
  sink.fact({ kind: factKind.blocks, ino, a: generation, b: block + 1, c })
}
