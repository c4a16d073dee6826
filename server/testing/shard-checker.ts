/** Says what does not fit together of split directories: their maps, what partitions hold, what is counted. */
import { shardSlots } from '../../network/limits.ts'
import { slotOf } from '../../network/placement/shards.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Key } from '../metadata/contract.ts'
import { decodeEntries } from '../metadata/entries.ts'
import { decodeHolding, type Holding } from '../metadata/holding.ts'
import { decodeInode, type Inode } from '../metadata/inode.ts'
import { hashOfEntriesKey, inoOfKey, isKeyOf, keyKind, partitionOfKey } from '../metadata/keys.ts'

interface Found {
  readonly inodes: Map<Ino, Inode>
  readonly holdings: Map<Ino, Holding[]>
  /** By directory and partition: the slot of each entry. */
  readonly slots: Map<string, number[]>
  readonly partitions: Map<Holding, number>
}

/** @returns one sentence for each fault. */
export function shardFaultsIn(contents: Iterable<ReadonlyMap<Key, Uint8Array>>): string[] {
  const found = gather(contents)
  const faults: string[] = []
  for (const [ino, holdings] of found.holdings) {
    const inode = found.inodes.get(ino)
    if (inode === undefined) faults.push(`shards of ${ino}, which does not exist`)
    else faults.push(...mapFaults(inode, holdings))
    for (const holding of holdings) faults.push(...countFaults(found, holding))
  }
  for (const { ino, shards } of found.inodes.values()) {
    if (shards.length > 0 && !found.holdings.has(ino)) faults.push(`nobody holds shards of ${ino}`)
  }
  return faults
}

function gather(contents: Iterable<ReadonlyMap<Key, Uint8Array>>): Found {
  const found: Found = {
    inodes: new Map(),
    holdings: new Map(),
    slots: new Map(),
    partitions: new Map(),
  }
  for (const content of contents) {
    for (const [key, value] of content) gatherOne(found, key, value)
  }
  return found
}

function gatherOne({ inodes, holdings, slots, partitions }: Found, key: Key, value: Uint8Array) {
  const ino = inoOfKey(key)
  if (isKeyOf(key, keyKind.inode)) inodes.set(ino, decodeInode(value))
  if (isKeyOf(key, keyKind.holding)) {
    const holding = decodeHolding(ino, value)
    partitions.set(holding, partitionOfKey(key))
    holdings.set(ino, [...(holdings.get(ino) ?? []), holding])
  }
  if (!isKeyOf(key, keyKind.entries)) return
  const place = `${ino}/${partitionOfKey(key)}`
  const slot = slotOf(hashOfEntriesKey(key))
  slots.set(place, [...(slots.get(place) ?? []), ...decodeEntries(value).map(() => slot)])
}

/** Every slot has one holder, the map says which, and all hand down what the directory does. */
function* mapFaults(inode: Inode, holdings: readonly Holding[]): Generator<string> {
  const { ino, shards, mode, gid } = inode
  const held = holdings.flatMap(each => each.shards).sort((a, b) => a.first - b.first)
  const firsts = held.map(({ first }) => first)
  if (`${firsts}` !== `${[...shards]}`) yield `${ino} has shards ${shards}, held are ${firsts}`
  let slot = 0
  for (const { first, end } of held) {
    if (first !== slot) yield `slot ${slot} of ${ino} is held by nobody, or twice`
    slot = end
  }
  if (slot !== shardSlots) yield `slot ${slot} of ${ino} is held by nobody`
  for (const holding of holdings) {
    if (holding.mode !== mode || holding.gid !== gid) yield `a shard of ${ino} hands down another`
  }
}

function* countFaults({ slots, partitions }: Found, holding: Holding): Generator<string> {
  const { ino, shards } = holding
  const here = slots.get(`${ino}/${partitions.get(holding)}`) ?? []
  for (const { first, end, entries } of shards) {
    const there = here.filter(slot => slot >= first && slot < end).length
    if (there !== entries) yield `shard ${first} of ${ino} counts ${entries}, but has ${there}`
  }
}
