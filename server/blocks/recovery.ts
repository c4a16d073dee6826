/**
 * Finds out, when a store is opened, whether what was written since the last sync is on the disk. It is
 * after the end of a process; after a power failure, or where a sync has failed, some may be lost, and what
 * was lost is then again as it was before.
 *
 * 1. Only chunks that were changed since the last sync are read, and only they fall back.
 * 2. What a chunk may still have to fall back to, or was found lost, stays used until the index is synced:
 *    until then a power failure may bring the record back that names it.
 */

import type { Device } from '../device/contract.ts'
import type { Key, KeyMutation } from '../metadata/contract.ts'
import type { Extent } from './allocator.ts'
import type { BlockKey } from './contract.ts'
import { parseBlockKey } from './index.ts'
import { isLost, readChunk } from './reading.ts'
import {
  type BlockRecord,
  encodeRecord,
  type StoredChunk,
  storedBytes,
  withoutHolesAtEnd,
} from './record.ts'
import { type BlockIndex, extentsOf, namedBy, type ScanResult, uncertainRecord } from './scan.ts'

/** A block that is again what it was at some moment since the last sync. */
export interface FallenBack {
  readonly block: BlockKey
  /** -1 where there was no such block. */
  readonly blockDelta: number
  readonly byteDelta: number
}

export interface RecoveryOptions {
  readonly device: Device
  readonly index: BlockIndex
  /** What else is to be committed with the block's record, such as the partition's counts. */
  readonly fallenBack: (block: FallenBack) => Iterable<KeyMutation>
}

export interface Recovery {
  readonly fallenBack: readonly FallenBack[]
  /** No longer named by the records, but until the index is synced by the disk's. */
  readonly retired: readonly Extent[]
}

export async function recover(options: RecoveryOptions, scanned: ScanResult): Promise<Recovery> {
  const { device, index } = options
  const fallenBack: FallenBack[] = []
  const retired: Extent[] = []
  // After a sync that failed the page cache shows what is not on the disk.
  if (scanned.uncertain.length > 0) await device.uncache()
  for (const key of scanned.uncertain) {
    const record = uncertainRecord(index.get(key)!, scanned.synced)!
    const standing = await standingRecord(device, record)
    const current = new Set(extentsOf(standing))
    retired.push(...namedBy(record).filter(extent => !current.has(extent)))
    if (standing.length === record.length && standing.every((chunk, at) => chunk === record[at])) {
      continue
    }
    const change = fallOf(key, record, standing)
    fallenBack.push(change)
    const value = standing.length > 0 ? encodeRecord(standing) : null
    await index.commit([{ key, value }, ...options.fallenBack(change)])
  }
  return { fallenBack, retired }
}

function fallOf(key: Key, record: BlockRecord, standing: BlockRecord): FallenBack {
  return {
    block: parseBlockKey(key),
    blockDelta: standing.length > 0 ? 0 : -1,
    byteDelta: storedBytes(standing) - storedBytes(record),
  }
}

async function standingRecord(device: Device, record: BlockRecord): Promise<BlockRecord> {
  return withoutHolesAtEnd(await Promise.all(record.map(chunk => standingChunk(device, chunk))))
}

/** The newest of a chunk's placements that is on the disk, or that is known to have been. */
async function standingChunk(
  device: Device,
  chunk: StoredChunk | null,
): Promise<StoredChunk | null> {
  let standing = chunk
  while (standing?.unsynced && !(await isThere(device, standing))) {
    standing = standing.unsynced.fallback
  }
  return standing
}

async function isThere(device: Device, chunk: StoredChunk): Promise<boolean> {
  try {
    await readChunk(device, [chunk], 0)
    return true
  } catch (error) {
    if (isLost(error)) return false
    throw error
  }
}
