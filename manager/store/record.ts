/** The state as it is stored: JSON with a format number, checked when it is read. */
import { z } from 'zod'
import { admissionRoles } from '../../network/admission/contract.ts'
import { ClusterError } from '../../network/errors.ts'
import { diskFormat, maxPartitionCount } from '../../network/limits.ts'
import type { ClusterState } from '../membership/state.ts'
import { memberShape, viewShape } from '../membership/view-shape.ts'

const epoch = z.int().min(1)
const label = z.object({
  id: z.string(),
  name: z.string().exactOptional(),
  domain: z.string().exactOptional(),
  weight: z.number().positive().exactOptional(),
})
const handover = z.object({ partition: z.int().min(0), epoch })
const peerId = z.string().min(1)
const serial = z.int().min(1)
const seconds = z.int().min(0)
const role = z.enum(admissionRoles)
const admission = z.object({
  authority: z.base64(),
  secret: z.base64(),
  nextSerial: serial,
  tokens: z.array(
    z.object({
      id: z.string(),
      hash: z.string(),
      role,
      usesLeft: z.int().min(0),
      createdS: seconds,
      expiresS: seconds,
      revoked: z.boolean(),
    }),
  ),
  admitted: z.array(
    z.object({
      peerId,
      role,
      serial,
      issuedS: seconds,
      name: z.string(),
      token: z.string(),
    }),
  ),
  removed: z.array(z.object({ peerId, serial })),
})
const record = z
  .object({
    format: z.literal(diskFormat),
    cluster: z.string().min(1),
    partitionCount: z.int().min(1).max(maxPartitionCount),
    replicaCount: z.int().min(1),
    members: z.array(memberShape),
    view: viewShape.nullable(),
    // States of before partitions moved have none of these.
    draining: z.array(z.string()).default([]),
    labels: z.array(label).default([]),
    gone: z.array(z.string()).default([]),
    handovers: z.array(handover).default([]),
    // Nor those of before servers told of their stores.
    stores: z.array(z.object({ id: z.string(), store: z.string() })).default([]),
    admission: admission.nullable(),
  })
  .refine(
    ({ view, cluster, partitionCount }) =>
      view === null || (view.cluster === cluster && view.partitions.length === partitionCount),
    'the view belongs to another cluster or has other partitions',
  )
const formatOnly = z.object({ format: z.int() })

export function encodeState(state: ClusterState): string {
  return JSON.stringify({ format: diskFormat, ...state })
}

/**
 * @param where the store as a person would name it.
 * @throws ClusterError NEWER_FORMAT or DISK.
 */
export function decodeState(text: string, where: string): ClusterState {
  const content = parse(text, where)
  const found = formatOnly.safeParse(content)
  if (found.success && found.data.format > diskFormat) {
    throw new ClusterError(
      'NEWER_FORMAT',
      `the manager's state in ${where} has format ${found.data.format}, written by a newer Rookery; ` +
        `this one knows format ${diskFormat}: run the newer one`,
    )
  }
  if (found.success && found.data.format < diskFormat) {
    const format = `format ${found.data.format}, of a Rookery before the first release`
    const text = `the manager's state in ${where} has ${format}: this one reads ${diskFormat} only`
    throw new ClusterError('DISK', text)
  }
  const result = record.safeParse(content)
  if (!result.success) throw damaged(where, z.prettifyError(result.error))
  const { format: _, ...state } = result.data
  return state
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw damaged(where, String(error), error)
  }
}

function damaged(where: string, reason: string, cause?: unknown): ClusterError {
  return new ClusterError('DISK', `the manager's state in ${where} is damaged: ${reason}`, {
    cause,
  })
}
