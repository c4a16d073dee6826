/**
 * Which facts about one inode fit together: pure functions, the one place that says it. What they find is a
 * suspicion: facts were gathered while the cluster was in use, each at another moment.
 */
import { fileType } from '../wire/attributes.ts'
import { clusterRootIno, type Ino } from '../wire/ids.ts'
import type { NamePlace, Remains } from '../wire/operations.ts'
import {
  type Fact,
  factKind,
  largestBytesOf,
  lastBytesOf,
  linksOf,
  placePartitionOf,
  placeTypeOf,
  typeOf,
} from './facts.ts'
import type { FaultCode } from './faults.ts'

export interface Suspicion {
  readonly fault: FaultCode
  readonly subject: Ino
  readonly names: readonly NamePlace[]
  readonly remains: Remains
}

export interface TypedName extends NamePlace {
  readonly type: number
}

interface Blocks {
  /** Number of the last and 1, and bytes in that. */
  readonly end: number
  readonly bytes: number
  /** Bytes in the largest. */
  readonly largest: number
}

const noBlocks: ReadonlyMap<number, Blocks> = new Map()
const noGenerations: ReadonlySet<number> = new Set()

/** All that was found of one inode number. */
export class InodeFacts {
  readonly ino: Ino
  readonly names: TypedName[] = []
  /** Most inodes have none: theirs are shared, and never changed. */
  blocks: ReadonlyMap<number, Blocks> = noBlocks
  purged: ReadonlySet<number> = noGenerations
  record: Fact | null = null
  unreadable = false
  entries = 0
  subdirectories = 0
  inlineBytes: number | null = null
  /** Partitions that have shards of it. */
  holders: readonly number[] = []

  constructor(ino: Ino) {
    this.ino = ino
  }

  add(fact: Fact): void {
    const { kind, a, b, c } = fact
    if (kind === factKind.name) {
      const place = { partition: placePartitionOf(c), directory: a, cookie: b }
      this.names.push({ ...place, type: placeTypeOf(c) })
    } else if (kind === factKind.tally) {
      this.entries += a
      this.subdirectories += b
    } else if (kind === factKind.directory || kind === factKind.file) this.record = fact
    else if (kind === factKind.blocks) this.#addBlocks(a, b, c)
    else if (kind === factKind.purge) this.purged = new Set([...this.purged, a])
    else if (kind === factKind.inline) this.inlineBytes = a
    else if (kind === factKind.unreadable) this.unreadable = true
    else if (kind === factKind.holding) this.holders = [...this.holders, a]
  }

  #addBlocks(generation: number, end: number, packed: number): void {
    const known = this.blocks.get(generation) ?? { end: 0, bytes: 0, largest: 0 }
    const largest = Math.max(known.largest, largestBytesOf(packed))
    if (end <= known.end && largest === known.largest) return
    const last = end <= known.end ? known : { end, bytes: lastBytesOf(packed) }
    this.blocks = new Map([...this.blocks, [generation, { ...last, largest }]])
  }
}

/** @returns what does not fit, nothing for a sound inode. */
export function* judge(facts: InodeFacts): Generator<Suspicion> {
  const { record } = facts
  if (record === null) yield* judgeMissing(facts)
  else if (record.kind === factKind.directory) yield* judgeDirectory(facts, record)
  else yield* judgeFile(facts, record)
}

function* judgeMissing(facts: InodeFacts): Generator<Suspicion> {
  for (const name of facts.names) yield suspicion('dangling-entry', facts, [name])
  if (facts.names.length > 0) return
  if (facts.unreadable || facts.inlineBytes !== null || hasEntries(facts)) {
    yield suspicion('lost-inode', facts, [])
    return
  }
  for (const generation of facts.blocks.keys()) yield* judgeGeneration(facts, generation)
}

function* judgeDirectory(facts: InodeFacts, { a, b: parent, c: size }: Fact): Generator<Suspicion> {
  const { ino, names, entries, subdirectories } = facts
  yield* judgeTypes(facts, fileType.directory)
  if (ino === clusterRootIno) {
    if (names.length > 0) yield suspicion('parent', facts, names)
  } else if (names.length === 0) yield suspicion('nameless', facts, [])
  else if (names.length > 1 || names[0]!.directory !== parent) {
    yield suspicion('parent', facts, names)
  }
  const isSplit = typeOf(a) === 1
  const counted = size === entries && linksOf(a) === 2 + subdirectories
  if (!counted || isSplit !== facts.holders.length > 0) {
    yield suspicion('directory-count', facts, [])
  }
  for (const generation of facts.blocks.keys()) yield* judgeGeneration(facts, generation)
}

/** Those of a split directory are counted where they are, and add up to nothing here. */
function hasEntries({ entries, holders }: InodeFacts): boolean {
  return entries > 0 || holders.length > 0
}

function* judgeFile(
  facts: InodeFacts,
  { a, b: generation, c: reserved }: Fact,
): Generator<Suspicion> {
  const { names, blocks } = facts
  if (hasEntries(facts)) yield suspicion('lost-inode', facts, names)
  yield* judgeTypes(facts, typeOf(a))
  if (names.length !== linksOf(a)) {
    yield suspicion(names.length === 0 ? 'nameless' : 'link-count', facts, names)
  }
  for (const [found, { end }] of blocks) {
    if (found !== generation) yield* judgeGeneration(facts, found)
    else if (end > reserved) yield suspicion('blocks-beyond-reach', facts, [], found)
  }
}

function* judgeTypes(facts: InodeFacts, type: number): Generator<Suspicion> {
  for (const name of facts.names) {
    if (name.type !== type) yield suspicion('dangling-entry', facts, [name])
  }
}

function* judgeGeneration(facts: InodeFacts, generation: number): Generator<Suspicion> {
  if (facts.purged.has(generation)) return
  yield suspicion('leaked-blocks', facts, [], generation)
}

function suspicion(
  fault: FaultCode,
  facts: InodeFacts,
  names: readonly TypedName[],
  generation?: number,
): Suspicion {
  const places = names.map(({ partition, directory, cookie }) => ({ partition, directory, cookie }))
  return { fault, subject: facts.ino, names: places, remains: remainsOf(facts, generation) }
}

/** Of these blocks, or else of those of the highest generation, unless that is queued to be deleted: it was over. */
function remainsOf(facts: InodeFacts, generation?: number): Remains {
  const newest = generation ?? Math.max(0, ...facts.blocks.keys(), ...facts.purged)
  const isOver = generation === undefined && facts.purged.has(newest)
  const last = isOver ? undefined : facts.blocks.get(newest)
  return {
    type: facts.names[0]?.type ?? 0,
    names: facts.names.length,
    entries: Math.max(facts.holders.length, facts.entries || 0),
    generation: newest,
    endBlock: last?.end ?? 0,
    lastBytes: last?.bytes ?? 0,
    largestBytes: last?.largest ?? 0,
    inline: facts.inlineBytes !== null,
    holders: facts.holders,
  }
}

export const noRemains: Remains = {
  type: 0,
  names: 0,
  entries: 0,
  generation: 0,
  endBlock: 0,
  lastBytes: 0,
  largestBytes: 0,
  inline: false,
  holders: [],
}
