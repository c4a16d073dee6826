/**
 * What a chunk falls back to when the power failed before its data was on the disk.
 *
 * 1. A new chunk falls back to the newest placement of before whose data is on the disk already.
 * 2. While a sync runs it falls back first to the newest placement that this sync covers: once the sync
 *    has ended, nothing older will do.
 * 3. A placement whose data is on the disk has no fallback: if it decays, that is an error, never old
 *    bytes.
 */
import type { StoredChunk } from './record.ts'

/** Numbers of changes: the data of all up to these is on the disk, or in the sync that runs. */
export interface SyncProgress {
  readonly synced: number
  /** `synced` when no sync runs. */
  readonly syncing: number
}

type Placement = StoredChunk | null

/** A chunk that stays as it is in a new record, without the fallbacks that it needs no longer. */
export function keptChunk(chunk: Placement, { synced, syncing }: SyncProgress): Placement {
  if (!chunk?.unsynced || chunk.unsynced.change <= syncing) return needed(chunk, synced, syncing)
  return withFallback(chunk, needed(chunk.unsynced.fallback, synced, syncing))
}

/** What the chunk that takes the place of `before` falls back to. */
export function fallbackTo(before: Placement, { synced, syncing }: SyncProgress): Placement {
  return needed(before, synced, syncing)
}

function needed(chunk: Placement, synced: number, syncing: number): Placement {
  if (!chunk?.unsynced) return chunk
  const { change, fallback } = chunk.unsynced
  if (change <= synced) return { ...chunk, unsynced: null }
  if (change > syncing) return needed(fallback, synced, syncing)
  return withFallback(chunk, needed(fallback, synced, synced))
}

/** As found in a record: everything that may have to be fallen back to, down to what was synced. */
export function uncertain(chunk: Placement, synced: number): Placement {
  if (!chunk?.unsynced) return chunk
  if (chunk.unsynced.change <= synced) return { ...chunk, unsynced: null }
  return withFallback(chunk, uncertain(chunk.unsynced.fallback, synced))
}

function withFallback(chunk: StoredChunk, fallback: Placement): StoredChunk {
  if (!chunk.unsynced || chunk.unsynced.fallback === fallback) return chunk
  return { ...chunk, unsynced: { change: chunk.unsynced.change, fallback } }
}
