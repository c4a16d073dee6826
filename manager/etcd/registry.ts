/**
 * The managers of a cluster as they tell each other through etcd, so that each token and each member can name all
 * of them. An entry that was not renewed for long is of a manager that is gone.
 */
import { z } from 'zod'
import type { ManagerPlace } from '../../network/admission/token.ts'
import {
  managerForgottenS,
  maxManagerAddresses,
  maxMemberAddresses,
  maxMemberTextBytes,
} from '../../network/limits.ts'
import type { Etcd } from './gateway.ts'
import { type EtcdKeys, putting, transact } from './keys.ts'

const entry = z.object({
  peerId: z.string(),
  endpoints: z.array(z.string().max(maxMemberTextBytes)).max(maxMemberAddresses),
  seenS: z.int(),
})
const listing = z.object({ kvs: z.array(z.object({ value: z.string() })).default([]) })

/** @throws ClusterError as `Etcd.call`. */
export async function enter(etcd: Etcd, keys: EtcdKeys, place: ManagerPlace): Promise<void> {
  const text = JSON.stringify({ ...place, seenS: nowS(etcd) })
  const value = Buffer.from(text).toString('base64')
  const success = [putting(keys.manager(place.peerId), value)]
  await transact(etcd, { compare: [], success, failure: [] })
}

/** @throws ClusterError as `Etcd.call`. */
export async function listManagers(etcd: Etcd, keys: EtcdKeys): Promise<readonly ManagerPlace[]> {
  const { kvs } = await etcd.call('kv/range', keys.managers, listing)
  return kvs.flatMap(({ value }) => placeFrom(value, nowS(etcd))).slice(0, maxManagerAddresses)
}

/** What makes no sense is left out: nothing rests on it. */
function placeFrom(value: string, now: number): ManagerPlace[] {
  try {
    const text: unknown = JSON.parse(Buffer.from(value, 'base64').toString('utf8'))
    const { peerId, endpoints, seenS } = entry.parse(text)
    return now - seenS > managerForgottenS ? [] : [{ peerId, endpoints }]
  } catch {
    return []
  }
}

function nowS({ env }: Etcd): number {
  return Number(env.clock.wallNs() / 1_000_000_000n)
}
