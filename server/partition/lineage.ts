/**
 * Under which boots of machines the partition was served one after the other without losing anything in between:
 * a client that changed something under an earlier one has lost nothing (client/cache/dirty-partitions.ts).
 */
import { z } from 'zod'
import { ClusterError } from '../../network/errors.ts'
import { maxLineageBoots } from '../../network/limits.ts'
import { decodeBody, encodeBody } from '../../network/wire/codec.ts'
import type { KeyMutation, KeyReader } from '../metadata/contract.ts'
import { lineageKey } from '../metadata/keys.ts'

const boots = z.array(z.string()).max(maxLineageBoots)

/** Oldest first; the last is the one that serves it, or served it last. */
export function readLineage(reader: KeyReader, partition: number): readonly string[] {
  try {
    const record = reader.get(lineageKey(partition))
    return record === undefined ? [] : boots.parse(decodeBody(record))
  } catch (error) {
    // Whoever relies on it is told of a loss, rather too often than never.
    if (error instanceof z.ZodError || isUnreadable(error)) return []
    throw error
  }
}

function isUnreadable(error: unknown): boolean {
  return error instanceof ClusterError && (error.code === 'CHECKSUM' || error.code === 'MALFORMED')
}

/** @param inherited nothing was lost on the way to this boot. @returns nothing when it says so already. */
export function continueLineage(
  reader: KeyReader,
  partition: number,
  boot: string,
  inherited: boolean,
): KeyMutation[] {
  const before = readLineage(reader, partition)
  if (before.at(-1) === boot) return []
  const kept = inherited ? before.filter(earlier => earlier !== boot) : []
  const value = encodeBody([...kept, boot].slice(-maxLineageBoots))
  return [{ key: lineageKey(partition), value }]
}
