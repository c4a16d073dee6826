/**
 * What a partition holds of each volume, and how much more of it may be taken here.
 *
 * 1. What is used is the sum over the partition's inodes, of files and of what they take (`allocated`): it is
 *    reckoned from the inodes that a batch changes, and kept by that same batch.
 * 2. Of a volume with a quota nothing is taken beyond the grant, which the volume's home has given
 *    (quotas/home.ts). Home counts with it until it has heard that it was given back, and that is on the disk.
 * 3. What is held is as good as used: for a write whose blocks are under way, or a transaction undecided.
 */
import type { Clock } from '../../network/env/env.ts'
import { ClusterError, PosixError } from '../../network/errors.ts'
import { maxQuotaAsks, quotaHoldMs } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type {
  AskQuotaReply,
  AskQuotaRequest,
  RecallQuotaReply,
  RecallQuotaRequest,
} from '../../network/wire/operations.ts'
import type { Key, KeyMutation } from '../metadata/contract.ts'
import { type InodeShare, shareOf } from '../metadata/inode.ts'
import { isKeyOf, keyKind, usageKey } from '../metadata/keys.ts'
import { decodeUsage, encodeUsage, type UsageRecord } from '../metadata/usage.ts'
import type { Batch } from './batch.ts'
import { AwaitsGrant } from './key-locks.ts'
import type { PartitionStore } from './partition-store.ts'

export interface Amount {
  readonly bytes: number
  readonly files: number
}

interface Hold extends Amount {
  readonly endMs: number
}

interface Asking {
  running: Promise<void> | null
  /** Begins behind `running`: for all who came since that began. */
  next: Promise<void> | null
  wanted: Amount
}

interface Known {
  readonly volume: Ino
  record: UsageRecord
  readonly holds: Map<string, Hold>
  readonly asking: Asking
}

export type AskQuota = (request: AskQuotaRequest) => Promise<AskQuotaReply>

export interface PartitionUsageInit {
  readonly partition: number
  readonly store: Pick<PartitionStore, 'get' | 'sync'>
  readonly clock: Clock
  readonly ask: AskQuota
  /** Commits what `mutations` gives. */
  readonly stage: () => Promise<void>
}

export const oneFile: Amount = { bytes: 0, files: 1 }
const nothing: Amount = { bytes: 0, files: 0 }

export class PartitionUsage {
  readonly #init: PartitionUsageInit
  readonly #volumes = new Map<Ino, Known>()
  readonly #changed = new Set<Known>()

  constructor(init: PartitionUsageInit) {
    this.#init = init
  }

  /** What is used, by volume; complete when what a start found was taken up. */
  *all(): Generator<readonly [Ino, Amount]> {
    for (const [volume, { record }] of this.#volumes) {
      yield [volume, { bytes: record.usedBytes, files: record.usedFiles }]
    }
  }

  /** Takes up what a start has found. */
  restore(volume: Ino): void {
    this.#of(volume)
  }

  isLimited(volume: Ino): boolean {
    return volume !== 0 && this.#of(volume).record.limited
  }

  /**
   * To be called by whoever is about to take more. A transaction holds it until `release`.
   * @throws AwaitsGrant, which ends in PosixError EDQUOT when there is not so much left.
   */
  admit(batch: Batch, volume: Ino, more: Amount): void {
    if (!this.isLimited(volume)) return
    const known = this.#of(volume)
    const { owner } = batch
    const need = owner === null ? more : sum(known.holds.get(owner) ?? nothing, more)
    if (!this.#fits(known, need, owner)) throw this.#awaiting(known, need, owner)
    if (owner !== null) known.holds.set(owner, { ...need, endMs: Number.POSITIVE_INFINITY })
  }

  /**
   * Holds bytes for a write whose blocks are about to be written; 0 lets go of them.
   * @param most as many as there are, without asking for more.
   * @returns how many are held. @throws AwaitsGrant, as `admit`.
   */
  holdBytes(volume: Ino, owner: string, bytes: number, most: boolean): number {
    const known = this.#of(volume)
    known.holds.delete(owner)
    if (bytes === 0) return 0
    const need = { bytes, files: 0 }
    const fits = this.#fits(known, need, null)
    if (!fits && !most) throw this.#awaiting(known, need, null)
    const held = fits ? bytes : Math.max(0, Math.min(bytes, this.#left(known, null).bytes))
    const endMs = this.#init.clock.monotonicMs() + quotaHoldMs
    known.holds.set(owner, { bytes: held, files: 0, endMs })
    return held
  }

  /** Lets go of what was held for a transaction, or a write. */
  release(owner: string): void {
    for (const { holds } of this.#volumes.values()) holds.delete(owner)
  }

  /** For a promise that was found on the disk: what it makes is not to be taken by others meanwhile. */
  restoreHold(owner: string, mutations: Iterable<readonly [string, Uint8Array | null]>): void {
    for (const [key, value] of mutations) {
      if (!isKeyOf(key, keyKind.inode) || value === null) continue
      const { volume } = shareOf(value)
      if (volume === 0 || this.#shareAt(key) !== null) continue
      const { holds } = this.#of(volume)
      const files = (holds.get(owner)?.files ?? 0) + 1
      holds.set(owner, { bytes: 0, files, endMs: Number.POSITIVE_INFINITY })
    }
  }

  /** Reckons what these change, before they are staged. */
  account(mutations: Iterable<KeyMutation>): void {
    for (const { key, value } of mutations) {
      if (!isKeyOf(key, keyKind.inode)) continue
      const after = value === null ? null : shareOf(value)
      // A directory takes no space, and begins with its first change.
      if (after?.isOldDirectory === true) continue
      const before = this.#shareAt(key)
      if (before !== null) this.#add(before, -1)
      if (after !== null) this.#add(after, 1)
    }
  }

  /** By how much a check has found it to be off. */
  correct(volume: Ino, { bytes, files }: Amount): void {
    const known = this.#of(volume)
    const { usedBytes, usedFiles } = known.record
    this.#set(known, { usedBytes: usedBytes + bytes, usedFiles: usedFiles + files })
  }

  /** The records, to be staged with what changed them. */
  *mutations(): Generator<KeyMutation> {
    if (this.#changed.size === 0) return
    for (const known of this.#changed) {
      const { volume, record } = known
      const { limited, epoch, usedBytes, usedFiles } = record
      const empty = !limited && epoch === 0 && usedBytes === 0 && usedFiles === 0
      const key = usageKey(this.#init.partition, volume)
      yield { key, value: empty ? null : encodeUsage(record) }
    }
    this.#changed.clear()
  }

  /** Home wants to know, and to have back what is neither used nor held. On the disk when it is answered. */
  async recall(request: RecallQuotaRequest): Promise<RecallQuotaReply> {
    const { volume, epoch, limited, lower } = request
    const known = this.#of(volume)
    if (epoch < known.record.epoch) {
      throw new ClusterError('MALFORMED', `the quota of volume ${volume} was set anew since`)
    }
    if (lower) {
      const { usedBytes, usedFiles, recalls } = known.record
      const held = this.#held(known, null)
      const grantBytes = usedBytes + held.bytes
      const grantFiles = usedFiles + held.files
      this.#set(known, { epoch, limited, grantBytes, grantFiles, recalls: recalls + 1 })
      const { record } = known
      await this.#init.stage()
      await this.#init.store.sync()
      return replyOf(record)
    }
    return replyOf(known.record)
  }

  #of(volume: Ino): Known {
    const found = this.#volumes.get(volume)
    if (found !== undefined) return found
    const { partition, store } = this.#init
    const record = readUsage(store, usageKey(partition, volume))
    const asking = { running: null, next: null, wanted: nothing }
    const known = { volume, record, holds: new Map(), asking }
    this.#volumes.set(volume, known)
    return known
  }

  #set(known: Known, changes: Partial<UsageRecord>): void {
    known.record = { ...known.record, ...changes }
    this.#changed.add(known)
  }

  #add({ volume, bytes }: InodeShare, sign: 1 | -1): void {
    if (volume === 0) return
    this.correct(volume, { bytes: sign * bytes, files: sign })
  }

  /** What the inode counted until now; a record that cannot be read counts nothing until a check counts anew. */
  #shareAt(key: string): InodeShare | null {
    try {
      const record = this.#init.store.get(key)
      return record === undefined ? null : shareOf(record)
    } catch (error) {
      if (error instanceof ClusterError) return null
      throw error
    }
  }

  #held({ holds }: Known, except: string | null): Amount {
    if (holds.size === 0) return nothing
    const nowMs = this.#init.clock.monotonicMs()
    let [bytes, files] = [0, 0]
    for (const [owner, hold] of holds) {
      if (hold.endMs <= nowMs) holds.delete(owner)
      else if (owner !== except) {
        bytes += hold.bytes
        files += hold.files
      }
    }
    return { bytes, files }
  }

  #left(known: Known, owner: string | null): Amount {
    const { grantBytes, grantFiles, usedBytes, usedFiles } = known.record
    const held = this.#held(known, owner)
    return {
      bytes: grantBytes - usedBytes - held.bytes,
      files: grantFiles - usedFiles - held.files,
    }
  }

  #fits(known: Known, need: Amount, owner: string | null): boolean {
    if (!known.record.limited) return true
    const left = this.#left(known, owner)
    return (
      (need.bytes <= 0 || need.bytes <= left.bytes) && (need.files <= 0 || need.files <= left.files)
    )
  }

  /** The operation is run again when so much was granted; it fails when that is not to be had. */
  #awaiting(known: Known, need: Amount, owner: string | null): AwaitsGrant {
    known.asking.wanted = sum(known.asking.wanted, need)
    const granted = this.#ask(known).then(() => {
      if (this.#fits(known, need, owner)) return
      throw new PosixError('EDQUOT', 'the volume has no more left of its quota')
    })
    granted.catch(() => undefined)
    return new AwaitsGrant(usageKey(this.#init.partition, known.volume), granted)
  }

  /** One that begins from now on: an earlier one may have been refused what is free by now. */
  #ask(known: Known): Promise<void> {
    const { asking } = known
    if (asking.next !== null) return asking.next
    const begin = () => {
      asking.running = asking.next
      asking.next = null
      return this.#askNow(known)
    }
    const before = asking.running ?? Promise.resolve()
    asking.next = before.then(begin, begin)
    return asking.next
  }

  async #askNow(known: Known): Promise<void> {
    const { wanted } = known.asking
    known.asking.wanted = nothing
    for (let ask = 0; ask < maxQuotaAsks; ask++) {
      const { usedBytes, usedFiles, recalls } = known.record
      const total = sum({ bytes: usedBytes, files: usedFiles }, this.#held(known, null))
      const { partition } = this.#init
      const request = { volume: known.volume, partition, ...sum(total, wanted) }
      const { limited, epoch, bytes, files } = await this.#init.ask(request)
      // What was recalled while the answer was on its way is not ours any longer.
      if (known.record.recalls !== recalls || epoch < known.record.epoch) continue
      if (limited) this.#set(known, { grantBytes: bytes, grantFiles: files })
      else this.#set(known, { limited })
      await this.#init.stage()
      return
    }
    throw new ClusterError('CONFLICT', 'others want the same quota again and again')
  }
}

/** One that cannot be read: nothing may be taken but what home grants anew; a check counts what is used. */
function readUsage(store: Pick<PartitionStore, 'get'>, key: Key): UsageRecord {
  try {
    return decodeUsage(store.get(key))
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    return { ...decodeUsage(undefined), limited: true }
  }
}

function sum(one: Amount, other: Amount): Amount {
  return { bytes: one.bytes + other.bytes, files: one.files + other.files }
}

function replyOf({ grantBytes, grantFiles, usedBytes, usedFiles }: UsageRecord): RecallQuotaReply {
  return { grantBytes, grantFiles, usedBytes, usedFiles }
}
