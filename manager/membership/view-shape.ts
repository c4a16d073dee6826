/** The shape of a view, as it is stored and as servers tell it; what else has to be true of it each of them says. */
import { z } from 'zod'

const epoch = z.int().min(1)
export const memberShape = z.object({
  id: z.string().min(1),
  role: z.literal('server'),
  name: z.string(),
  addresses: z.array(z.string()),
  host: z.string(),
  domain: z.string(),
  weight: z.number().positive(),
})
const removed = z.object({ peerId: z.string().min(1), serial: z.int().min(1) })

export const partitionShape = z.object({
  replicas: z.array(z.string()),
  inSync: z.array(z.string()),
  primary: z.string().nullable(),
  epoch,
})
export const viewShape = z.object({
  cluster: z.string(),
  epoch,
  members: z.array(memberShape),
  partitions: z.array(partitionShape),
  replicaCount: z.int().min(1),
  removed: z.array(removed).exactOptional(),
})
