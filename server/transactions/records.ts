/** What transactions leave on the disk: a participant's promise, and a coordinator's decision. */

import { z } from 'zod'
import { ClusterError } from '../../network/errors.ts'
import { decodeBody, encodeBody } from '../../network/wire/codec.ts'
import type { Key } from '../metadata/contract.ts'
import type { CountChange } from '../partition/batch.ts'

/** A promise to apply these changes if the coordinator commits; until then the keys are locked. */
export interface Intent {
  /** Partition of the coordinator: whom to ask. */
  readonly coordinator: number
  readonly locked: readonly Key[]
  readonly mutations: readonly (readonly [Key, Uint8Array | null])[]
  readonly counts: CountChange
}

const key = z.string()
const intentSchema = z.object({
  coordinator: z.number(),
  locked: z.array(key),
  mutations: z.array(z.tuple([key, z.union([z.instanceof(Uint8Array), z.null()])])),
  counts: z.object({ inodes: z.number(), blocks: z.number(), blockBytes: z.number() }),
})

const decisionSchema = z.object({ participants: z.array(z.number()) })

export function encodeIntent(intent: Intent): Uint8Array {
  return encodeBody(intent)
}

export function decodeIntent(record: Uint8Array): Intent {
  const intent = intentSchema.safeParse(decodeBody(record))
  if (!intent.success) throw malformed('intent', intent.error)
  return intent.data
}

/** @param participants partitions that have yet to hear of it. */
export function encodeDecision(participants: readonly number[]): Uint8Array {
  return encodeBody({ participants })
}

export function decodeDecision(record: Uint8Array): readonly number[] {
  const decision = decisionSchema.safeParse(decodeBody(record))
  if (!decision.success) throw malformed('decision', decision.error)
  return decision.data.participants
}

function malformed(what: string, cause: unknown): ClusterError {
  return new ClusterError('MALFORMED', `the record of a transaction's ${what}`, { cause })
}
