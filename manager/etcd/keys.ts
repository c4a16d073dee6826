/** What the managers of one cluster keep in etcd, and the requests and answers that concern it. */
import { z } from 'zod'
import type { Etcd } from './gateway.ts'

/** The keys of one cluster, in base64. */
export interface EtcdKeys {
  /** Who leads: exists as long as its lease. */
  readonly leader: string
  readonly state: string
  /** Of the entry of one manager. */
  manager(peerId: string): string
  /** All entries, as a range. */
  readonly managers: { readonly key: string; readonly range_end: string }
}

/** @param name of the cluster in this etcd, which may hold several. */
export function keysOf(name: string): EtcdKeys {
  const key = (last: string) => Buffer.from(`rookery/${name}/${last}`).toString('base64')
  return {
    leader: key('leader'),
    state: key('state'),
    manager: peerId => key(`managers/${peerId}`),
    // The last character counted up: everything that begins with 'managers/'.
    managers: { key: key('managers/'), range_end: key('managers0') },
  }
}

const int64 = z.string().regex(/^\d{1,20}$/)

const keyValue = z.object({
  /** Revisions only tell one from another here, so they stay the strings they come as. */
  create_revision: int64,
  mod_revision: int64,
  /** Base64. */
  value: z.string().default(''),
  lease: int64.default('0'),
})
export type KeyValue = z.infer<typeof keyValue>

const transactionReply = z.object({
  header: z.object({ revision: int64 }),
  succeeded: z.boolean().default(false),
  responses: z
    .array(
      z.object({ response_range: z.object({ kvs: z.array(keyValue).default([]) }).optional() }),
    )
    .default([]),
})

export interface Outcome {
  readonly succeeded: boolean
  /** Of the transaction itself: what a key that it put was changed at. */
  readonly revision: string
  /** What each request found, in their order; undefined for a key that is not there, and for a put. */
  readonly found: readonly (KeyValue | undefined)[]
}

export interface Transaction {
  readonly compare: readonly object[]
  readonly success: readonly object[]
  readonly failure: readonly object[]
}

/** All or nothing, and up to date: etcd asks its majority. @throws ClusterError as `Etcd.call`. */
export async function transact(etcd: Etcd, transaction: Transaction): Promise<Outcome> {
  const reply = await etcd.call('kv/txn', transaction, transactionReply)
  const { header, succeeded, responses } = reply
  const found = responses.map(({ response_range }) => response_range?.kvs[0])
  return { succeeded, revision: header.revision, found }
}

/** That a key was created, or changed last, at this revision; '0' where there is to be none. */
export function isAt(key: string, target: 'CREATE' | 'MOD', revision: string): object {
  const field = target === 'CREATE' ? 'create_revision' : 'mod_revision'
  return { key, target, result: 'EQUAL', [field]: revision }
}

export function getting(key: string): object {
  return { request_range: { key } }
}

/** @param lease with which the key goes; none when it is to stay. */
export function putting(key: string, value: string, lease?: string): object {
  return { request_put: { key, value, ...(lease === undefined ? {} : { lease }) } }
}
