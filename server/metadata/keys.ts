/**
 * The layout of a server's metadata store. Every key begins with its partition (2 bytes, big-endian)
 * and one letter for its kind; numbers are big-endian, so that ranges come in order. Block records
 * (kind `b`) are the block store's own: blocks/index.ts.
 */
import assert from 'node:assert/strict'
import type { Ino } from '../../network/wire/ids.ts'
import type { Key } from './contract.ts'

export const keyKind = {
  /** ino → inode record. */
  inode: 'i',
  /** directory ino, hash of the name → entries with that hash. */
  entries: 'e',
  /** directory ino → what this partition holds of a directory that is split. */
  holding: 'h',
  /** ino → data of an inline file with its checksum. */
  inline: 'd',
  /** ino → all its extended attributes. */
  xattrs: 'x',
  /** ino without a name that somebody may still have open. */
  orphan: 'o',
  /** ino, generation → blocks to be deleted. */
  purge: 'p',
  /** ino → a truncation whose blocks are still being cut. */
  cut: 'c',
  /** ino → who may append blocks to it now. */
  grant: 'g',
  /** client, slot → sequence and reply of its last mutation. */
  slot: 's',
  /** transaction → what a participant has promised. */
  intent: 't',
  /** transaction → that its coordinator committed it. */
  decision: 'u',
  /** client → that it may have files locked. */
  locker: 'l',
  /** volume → what it uses here, and how much it may. */
  usage: 'q',
  /** volume → its quota, where its root is. */
  quota: 'v',
  /** Facts of the partition: counters and the next inode number. */
  facts: 'm',
  /** Boots under which it was served without losing anything. */
  lineage: 'y',
} as const

type KeyKind = (typeof keyKind)[keyof typeof keyKind]

const partitionPrefixes: string[] = []

function bytesOf(value: number, count: number): string {
  let text = ''
  let rest = value
  for (let index = 0; index < count; index++) {
    text = String.fromCharCode(rest % 256) + text
    rest = Math.floor(rest / 256)
  }
  return text
}

function numberAt(key: Key, start: number, count: number): number {
  let value = 0
  for (let index = start; index < start + count; index++)
    value = value * 256 + key.charCodeAt(index)
  return value
}

function partitionPrefix(partition: number): string {
  partitionPrefixes[partition] ??= bytesOf(partition, 2)
  return partitionPrefixes[partition]!
}

const inoBytes = 7
const inoAt = 3

function inoKey(partition: number, kind: KeyKind, ino: Ino): Key {
  return partitionPrefix(partition) + kind + bytesOf(ino, inoBytes)
}

export const inodeKey = (partition: number, ino: Ino): Key => inoKey(partition, keyKind.inode, ino)
export const holdingKey = (partition: number, directory: Ino): Key =>
  inoKey(partition, keyKind.holding, directory)
export const inlineKey = (partition: number, ino: Ino): Key =>
  inoKey(partition, keyKind.inline, ino)
export const orphanKey = (partition: number, ino: Ino): Key =>
  inoKey(partition, keyKind.orphan, ino)
export const xattrsKey = (partition: number, ino: Ino): Key =>
  inoKey(partition, keyKind.xattrs, ino)
export const cutKey = (partition: number, ino: Ino): Key => inoKey(partition, keyKind.cut, ino)
export const grantKey = (partition: number, ino: Ino): Key => inoKey(partition, keyKind.grant, ino)
export const usageKey = (partition: number, volume: Ino): Key =>
  inoKey(partition, keyKind.usage, volume)
export const quotaKey = (partition: number, volume: Ino): Key =>
  inoKey(partition, keyKind.quota, volume)
export const lineageKey = (partition: number): Key => partitionPrefix(partition) + keyKind.lineage
export const factsKey = (partition: number): Key => partitionPrefix(partition) + keyKind.facts

/** @param hash 48 bits: `entryHash` of the name. */
export function entriesKey(partition: number, directory: Ino, hash: number): Key {
  return inoKey(partition, keyKind.entries, directory) + bytesOf(hash, 6)
}

export function hashOfEntriesKey(key: Key): number {
  return numberAt(key, inoAt + inoBytes, 6)
}

export function purgeKey(partition: number, ino: Ino, generation: number): Key {
  return inoKey(partition, keyKind.purge, ino) + bytesOf(generation, 4)
}

/** @param client 32 hexadecimal digits. */
export function slotKey(partition: number, client: string, slot: number): Key {
  return slotsOfClient(partition, client) + bytesOf(slot, 2)
}

export function slotsOfClient(partition: number, client: string): Key {
  return partitionPrefix(partition) + keyKind.slot + Buffer.from(client, 'hex').toString('latin1')
}

export function lockerKey(partition: number, client: string): Key {
  return partitionPrefix(partition) + keyKind.locker + Buffer.from(client, 'hex').toString('latin1')
}

export function clientOfLockerKey(key: Key): string {
  return Buffer.from(key.slice(inoAt), 'latin1').toString('hex')
}

export function clientOfSlotKey(key: Key): string {
  return Buffer.from(key.slice(inoAt, inoAt + 16), 'latin1').toString('hex')
}

export function slotOfSlotKey(key: Key): number {
  return numberAt(key, inoAt + 16, 2)
}

export function intentKey(partition: number, transaction: string): Key {
  return (
    partitionPrefix(partition) + keyKind.intent + Buffer.from(transaction, 'hex').toString('latin1')
  )
}

export function decisionKey(partition: number, transaction: string): Key {
  return (
    partitionPrefix(partition) +
    keyKind.decision +
    Buffer.from(transaction, 'hex').toString('latin1')
  )
}

export function transactionOfKey(key: Key): string {
  return Buffer.from(key.slice(inoAt), 'latin1').toString('hex')
}

/** Of any key whose kind is followed by an inode number. */
export function inoOfKey(key: Key): Ino {
  return numberAt(key, inoAt, inoBytes)
}

export function generationOfPurgeKey(key: Key): number {
  return numberAt(key, inoAt + inoBytes, 4)
}

/** The first key behind all keys that begin with `prefix`. */
export function endOf(prefix: Key): Key {
  assert(prefix !== '', 'nothing lies behind all keys')
  const last = prefix.charCodeAt(prefix.length - 1)
  return last === 255
    ? endOf(prefix.slice(0, -1))
    : prefix.slice(0, -1) + String.fromCharCode(last + 1)
}

/** All keys of one partition: `from <= key < to`. */
export function partitionRange(partition: number): readonly [Key, Key] {
  const prefix = partitionPrefix(partition)
  return [prefix, endOf(prefix)]
}

/** Prefix of all keys of one kind in one partition. */
export function kindPrefix(partition: number, kind: KeyKind): Key {
  return partitionPrefix(partition) + kind
}

/** Prefix of the keys of one kind that belong to one inode: its entries. */
export function inoPrefix(partition: number, kind: KeyKind, ino: Ino): Key {
  return inoKey(partition, kind, ino)
}

export function kindOfKey(key: Key): string {
  return key[inoAt - 1] ?? ''
}

export function partitionOfKey(key: Key): number {
  return numberAt(key, 0, inoAt - 1)
}

export function isKeyOf(key: Key, kind: KeyKind): boolean {
  return key[inoAt - 1] === kind
}
