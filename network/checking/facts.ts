/**
 * What a check knows of an inode: small facts about it, from wherever they lie, as rows of five numbers that
 * travel and are kept in files as they are. The servers make them of their records; the rules (rules.ts) say
 * which of them fit together.
 */
import { ClusterError } from '../errors.ts'
import { maxBlockBytes } from '../limits.ts'
import type { Ino } from '../wire/ids.ts'

export const factKind = {
  /** Entry → ino is what it leads to; a: directory, b: cookie, c: its partition and type bits (`packPlace`). */
  name: 1,
  /**
   * Entries of the directory ino that one page of a scan has, less those that its shards count themselves; a:
   * entries, b: subdirectories; not numbers where nobody knows what a shard counts.
   */
  tally: 2,
  /** Inode of a directory; a: nlink and whether it is split (`packLinks` with 1), b: parent, c: size. */
  directory: 3,
  /** Inode of anything else; a: nlink and type bits (`packLinks`), b: generation, c: blocks reserved. */
  file: 4,
  /** Blocks in one partition; a: generation, b: number of the last and 1, c: bytes in it and in the largest (`packBytes`). */
  blocks: 5,
  /** Deletion queued; a: generation. */
  purge: 6,
  /** Data beside the inode; a: bytes. */
  inline: 7,
  /** The inode's record is there but cannot be read. */
  unreadable: 8,
  /** One partition has shards of the directory ino; a: partition. */
  holding: 10,
  /** Of a partition (ino: its number), as counted by itself; a: inodes, b: blocks, c: bytes. */
  counts: 9,
} as const

export interface Fact {
  readonly kind: number
  readonly ino: Ino
  readonly a: number
  readonly b: number
  readonly c: number
}

const numbersInRow = 5
export const factBytes = numbersInRow * 8
const typeUnit = 2 ** 32

export function packLinks(nlink: number, type: number): number {
  return type * typeUnit + nlink
}

export function linksOf(packed: number): number {
  return packed % typeUnit
}

export function typeOf(packed: number): number {
  return Math.floor(packed / typeUnit)
}

/** Above any number of bytes in a block; both fit into a safe integer. */
const bytesUnit = 2 * maxBlockBytes

/** Of blocks: bytes in the last, and in the largest. */
export function packBytes(last: number, largest: number): number {
  return largest * bytesUnit + last
}

export function lastBytesOf(packed: number): number {
  return packed % bytesUnit
}

export function largestBytesOf(packed: number): number {
  return Math.floor(packed / bytesUnit)
}

const partitionUnit = 2 ** 16

export function packPlace(partition: number, type: number): number {
  return partition * partitionUnit + type
}

export function placePartitionOf(packed: number): number {
  return Math.floor(packed / partitionUnit)
}

export function placeTypeOf(packed: number): number {
  return packed % partitionUnit
}

/** Little-endian, one row behind the other. */
export function encodeFacts(facts: readonly Fact[]): Uint8Array {
  const bytes = new Uint8Array(facts.length * factBytes)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { kind, ino, a, b, c } of facts) {
    for (const value of [kind, ino, a, b, c]) {
      view.setFloat64(at, value, true)
      at += 8
    }
  }
  return bytes
}

/**
 * The rows of a payload, whose pieces end anywhere.
 * @throws ClusterError MALFORMED when they are no rows.
 */
export function rowsIn(payload: readonly Uint8Array[]): Uint8Array {
  const rows = payload.length === 1 ? payload[0]! : Buffer.concat(payload)
  checkRows(rows)
  return rows
}

function checkRows({ length }: Uint8Array): void {
  if (length % factBytes === 0) return
  throw new ClusterError('MALFORMED', `${length} bytes are no facts`)
}

/** @throws ClusterError MALFORMED when the bytes are no rows. */
export function visitFacts(bytes: Uint8Array, visit: (fact: Fact) => void): void {
  checkRows(bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length; at += factBytes) {
    visit({
      kind: view.getFloat64(at, true),
      ino: view.getFloat64(at + 8, true),
      a: view.getFloat64(at + 16, true),
      b: view.getFloat64(at + 24, true),
      c: view.getFloat64(at + 32, true),
    })
  }
}

/** As `visitFacts`, for few. */
export function decodeFacts(bytes: Uint8Array): Fact[] {
  const facts: Fact[] = []
  visitFacts(bytes, fact => facts.push(fact))
  return facts
}
