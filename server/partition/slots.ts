/**
 * Exactly once: the last reply of each client's slots, kept in the batch that had the effect.
 *
 * 1. A repeat (same client, slot and sequence) gets the reply that was kept, or waits for the attempt that
 *    is still under way.
 * 2. An older sequence than the last is a straggler of a call that its client gave up: refused.
 * 3. Two mutations of one slot never run at a time.
 */
import { ClusterError } from '../../network/errors.ts'
import { maxKeptReplyBytes, maxRememberedSlots, maxSlots } from '../../network/limits.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import { decodeBody, encodeBody } from '../../network/wire/codec.ts'
import type { Mutation, OperationName, ReplyOf } from '../../network/wire/operations.ts'
import type { Key, KeyMutation, KeyReader } from '../metadata/contract.ts'
import { slotKey, slotOfSlotKey } from '../metadata/keys.ts'
import { noPayload } from './operation.ts'

interface Running {
  readonly sequence: number
  readonly reply: Promise<unknown>
}

/** The mutation that keeps this reply for a repeat; to be committed with the operation's own. */
export type Keep<N extends OperationName> = (reply: Reply<N>) => KeyMutation

const headBytes = 8

export class Slots {
  readonly #reader: KeyReader
  readonly #running = new Map<Key, Running>()
  /** Last sequences seen since the start: saves looking them up for each new use. */
  #last = new Map<Key, number>()

  constructor(reader: KeyReader) {
    this.#reader = reader
  }

  async once<N extends OperationName>(
    partition: number,
    client: string,
    { slot, sequence }: Mutation,
    run: (keep: Keep<N>) => Promise<Reply<N>>,
  ): Promise<Reply<N>> {
    if (!(isCount(slot) && slot < maxSlots && isCount(sequence))) {
      throw new ClusterError('MALFORMED', `slot ${slot}, sequence ${sequence}`)
    }
    const key = slotKey(partition, client, slot)
    for (let running = this.#running.get(key); running; running = this.#running.get(key)) {
      if (running.sequence > sequence) throw stale(slot, sequence)
      if (running.sequence === sequence) return (await running.reply) as Reply<N>
      await running.reply.catch(() => undefined)
    }
    const kept = this.#kept<N>(key, sequence)
    if (kept !== null) return kept
    // What has run is remembered by whom it was run for: a partition may have gone, and come back, meanwhile.
    const last = this.#last
    const reply = run(done => ({ key, value: encodeKept(sequence, done.body) }))
    this.#running.set(key, { sequence, reply })
    try {
      return await reply
    } finally {
      this.#running.delete(key)
      remember(last, key, sequence)
    }
  }

  /** Slots were deleted, or changed elsewhere: what was remembered of them no longer holds. */
  forget(): void {
    this.#last = new Map()
  }

  #kept<N extends OperationName>(key: Key, sequence: number): Reply<N> | null {
    const last = this.#last.get(key)
    if (last !== undefined && last < sequence) return null
    if (last !== undefined && last > sequence) throw stale(slotOfSlotKey(key), sequence)
    const record = this.#reader.get(key)
    if (record === undefined) return null
    const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength)
    const keptSequence = bytes.readDoubleLE(0)
    if (keptSequence > sequence) throw stale(slotOfSlotKey(key), sequence)
    if (keptSequence < sequence) return null
    return { body: decodeBody(bytes.subarray(headBytes)) as ReplyOf<N>, payload: noPayload }
  }
}

function remember(last: Map<Key, number>, key: Key, sequence: number): void {
  if (last.size >= maxRememberedSlots) last.clear()
  last.set(key, sequence)
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function encodeKept(sequence: number, body: unknown): Uint8Array {
  const encoded = encodeBody(body)
  if (encoded.length > maxKeptReplyBytes) {
    throw new ClusterError('INTERNAL', `a reply of ${encoded.length} bytes is too long to be kept`)
  }
  const record = Buffer.allocUnsafe(headBytes + encoded.length)
  record.writeDoubleLE(sequence, 0)
  record.set(encoded, headBytes)
  return record
}

function stale(slot: number, sequence: number): ClusterError {
  return new ClusterError('STALE_SLOT', `slot ${slot} is past sequence ${sequence}`)
}
