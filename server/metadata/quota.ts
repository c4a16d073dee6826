/** A volume's quota, as its home keeps it: with what it has granted to each partition. */
import { z } from 'zod'
import { ClusterError } from '../../network/errors.ts'
import { decodeBody, encodeBody } from '../../network/wire/codec.ts'

const amount = z.number().int().nonnegative()

const schema = z.object({
  /** How often it was set. */
  epoch: amount,
  /** null: as much as there is. */
  bytes: amount.nullable(),
  files: amount.nullable(),
  /** By partition; one that is missing has not heard of this epoch yet. */
  grants: z.array(z.object({ partition: amount, bytes: z.number(), files: z.number() })),
})

export type Quota = z.infer<typeof schema>

export const noQuota: Quota = { epoch: 0, bytes: null, files: null, grants: [] }

export function encodeQuota(quota: Quota): Uint8Array {
  return encodeBody(quota)
}

/** @throws ClusterError MALFORMED */
export function decodeQuota(record: Uint8Array | undefined): Quota {
  if (record === undefined) return noQuota
  const parsed = schema.safeParse(decodeBody(record))
  if (parsed.success) return parsed.data
  throw new ClusterError('MALFORMED', `the record of a volume's quota`, { cause: parsed.error })
}
