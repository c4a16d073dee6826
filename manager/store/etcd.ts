/**
 * The manager's state in etcd, for managers that take over from each other. The record of the store on disk,
 * compressed: etcd takes no more than 1.5 MiB at a time.
 *
 * 1. Every read and write is a transaction that compares the revision at which the leader's key was created: a
 *    manager whose term has ended can neither save nor take an old state for the new one.
 * 2. A write also compares the revision of the state that it replaces: one that was delayed, and sent again
 *    meanwhile, cannot come back over a later one.
 * 3. After a write of which nobody knows whether it was done the term ends, so that the next one starts with
 *    what etcd has. So no state that could have been saved is ever made twice.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { ClusterError } from '../../network/errors.ts'
import { etcdRetryDelayMs, maxEtcdValueBytes, maxStateBytes } from '../../network/limits.ts'
import type { Etcd } from '../etcd/gateway.ts'
import type { EtcdKeys, Outcome, Transaction } from '../etcd/keys.ts'
import { getting, isAt, putting, transact } from '../etcd/keys.ts'
import type { Term } from '../etcd/term.ts'
import type { ClusterState } from '../membership/state.ts'
import type { ManagerStore } from './contract.ts'
import { decodeState, encodeState } from './record.ts'

export interface EtcdStoreInit {
  readonly etcd: Etcd
  readonly keys: EtcdKeys
  /** Ends with the store. */
  readonly term: Term
}

export class EtcdStore implements ManagerStore {
  readonly #etcd: Etcd
  readonly #keys: EtcdKeys
  readonly #term: Term
  /** At which the state was changed last; '0' when there is none, undefined before it was looked at. */
  #revision: string | undefined
  #closed = false

  constructor({ etcd, keys, term }: EtcdStoreInit) {
    this.#etcd = etcd
    this.#keys = keys
    this.#term = term
  }

  /** @throws also ClusterError NOT_LEADER when the term has ended. */
  async load(): Promise<ClusterState | null> {
    const { leader, state } = this.#keys
    const { succeeded, found } = await this.#attempt({
      compare: [this.#isLeader()],
      success: [getting(state)],
      failure: [getting(leader)],
    })
    if (!succeeded) throw this.#deposed()
    this.#revision = found[0]?.mod_revision ?? '0'
    return found[0] === undefined ? null : decode(found[0].value, this.#etcd.name)
  }

  /** @throws also ClusterError NOT_LEADER when the term has ended, OVERLOADED when it is too large for etcd. */
  async save(state: ClusterState): Promise<void> {
    this.#assertOpen()
    const value = encode(state)
    if (this.#revision === undefined) await this.load()
    const before = this.#revision ?? '0'
    const key = this.#keys.state
    const { succeeded, revision, found } = await this.#attempt({
      compare: [this.#isLeader(), isAt(key, 'MOD', before)],
      success: [putting(key, value)],
      failure: [getting(this.#keys.leader), getting(key)],
    })
    if (succeeded) {
      this.#revision = revision
      return
    }
    const [leader, stored] = found
    if (leader?.create_revision !== this.#term.revision) throw this.#deposed()
    if (stored?.value !== value) {
      throw this.#ended(
        'DISK',
        `somebody else has changed the manager's state in ${this.#etcd.name}`,
      )
    }
    // It was saved by an attempt whose answer was lost.
    this.#revision = stored.mod_revision
  }

  /** @throws ClusterError UNREACHABLE when etcd could not be told: then the term ends by itself soon. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#term.resign()
  }

  /** Tries until there is an answer, or the term has ended. */
  async #attempt(transaction: Transaction): Promise<Outcome> {
    const { timers } = this.#etcd.env
    for (;;) {
      this.#assertOpen()
      this.#term.assertCurrent()
      try {
        return await transact(this.#etcd, transaction)
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error
        if (error.code !== 'UNREACHABLE') throw this.#ended(error.code, error.message, error)
        await timers.sleep(etcdRetryDelayMs)
      }
    }
  }

  #isLeader(): object {
    return isAt(this.#keys.leader, 'CREATE', this.#term.revision)
  }

  #assertOpen(): void {
    if (this.#closed) {
      throw new ClusterError('CLOSED', `the manager's state in ${this.#etcd.name} is closed`)
    }
  }

  #deposed(): ClusterError {
    return this.#ended('NOT_LEADER', 'another manager leads now')
  }

  #ended(code: ClusterError['code'], text: string, cause?: ClusterError): ClusterError {
    const error = new ClusterError(code, text, cause === undefined ? {} : { cause })
    this.#term.end(error)
    return error
  }
}

/**
 * What is there now, for those who do not lead: what never changes about a cluster is true of it.
 * @throws ClusterError as `Etcd.call`; NEWER_FORMAT or DISK.
 */
export async function readState(etcd: Etcd, { state }: EtcdKeys): Promise<ClusterState | null> {
  const { found } = await transact(etcd, { compare: [], success: [getting(state)], failure: [] })
  return found[0] === undefined ? null : decode(found[0].value, etcd.name)
}

function encode(state: ClusterState): string {
  const text = encodeState(state)
  const bytes = Buffer.from(text)
  const value = bytes.byteLength > maxStateBytes ? bytes : gzipSync(bytes)
  if (value.byteLength <= maxEtcdValueBytes) return value.toString('base64')
  throw new ClusterError(
    'OVERLOADED',
    `the manager's state would have ${value.byteLength} bytes, more than the ${maxEtcdValueBytes} that etcd is ` +
      'given: the cluster has too many servers or partitions for a manager in etcd',
  )
}

function decode(value: string, where: string): ClusterState {
  let bytes: Buffer
  try {
    bytes = gunzipSync(Buffer.from(value, 'base64'), { maxOutputLength: maxStateBytes })
  } catch (error) {
    const text = `the manager's state in ${where} is damaged: ${String(error)}`
    throw new ClusterError('DISK', text, { cause: error })
  }
  return decodeState(bytes.toString('utf8'), where)
}
