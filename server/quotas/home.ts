/**
 * The home of a volume's quota: the partition of its root. It grants shares of the quota to the partitions
 * that take space or make files, and recalls what they do not use.
 *
 * 1. What is granted is, in all, never more than the quota, unless that was set lower than what was in use.
 * 2. A grant is on the disk here before its partition hears of it; what a partition gives back is on its own
 *    disk before it is granted to another. So at any moment home counts with no less than what is out.
 * 3. Quotas of one volume are dealt with one at a time.
 */
import { ClusterError, PosixError } from '../../network/errors.ts'
import { maxQuotaCallsInFlight, quotaAheadBytes, quotaAheadFiles } from '../../network/limits.ts'
import { isDirectory } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type {
  AskQuotaReply,
  AskQuotaRequest,
  QuotaReply,
  RecallQuotaReply,
  SetQuotaRequest,
} from '../../network/wire/operations.ts'
import { quotaKey } from '../metadata/keys.ts'
import { decodeQuota, encodeQuota, type Quota } from '../metadata/quota.ts'
import { readInode } from '../partition/inodes.ts'
import type { Partition } from '../partition/partition.ts'
import { isAbsent, type Peers } from '../peers.ts'

interface Grant {
  readonly bytes: number
  readonly files: number
}

/** One volume's quota while it is dealt with. */
interface Open extends Omit<Quota, 'grants'> {
  readonly home: Partition
  readonly volume: Ino
  readonly grants: Map<number, Grant>
}

export class QuotaHome {
  readonly #peers: Pick<Peers, 'call'>
  readonly #partitionCount: number
  /** The last that waits for its turn, by volume. */
  readonly #turns = new Map<Ino, Promise<unknown>>()

  constructor(peers: Pick<Peers, 'call'>, partitionCount: number) {
    this.#peers = peers
    this.#partitionCount = partitionCount
  }

  /**
   * @throws PosixError EINVAL for what is no volume; ClusterError when not all partitions could be told: it is
   * set then, and those count as soon as it is asked for again.
   */
  async set(home: Partition, request: SetQuotaRequest): Promise<void> {
    const { ino, bytes, files } = request
    for (const limit of [bytes, files]) {
      if (limit === null || (Number.isSafeInteger(limit) && limit >= 0)) continue
      throw new PosixError('EINVAL', `a quota of ${String(limit)}`)
    }
    await this.#inTurn(ino, async () => {
      const { batch } = home.contextFor('', null, 'look')
      const inode = readInode(batch, ino)
      if (!isDirectory(inode.mode) || inode.volume !== ino) {
        throw new PosixError('EINVAL', `inode ${ino} is no volume`)
      }
      const before = this.#load(home, ino)
      const same = before.bytes === bytes && before.files === files
      const quota = same
        ? before
        : { ...before, epoch: before.epoch + 1, bytes, files, grants: new Map() }
      if (!same) await this.#save(quota)
      await this.#tellAll(quota)
    })
  }

  async report(home: Partition, volume: Ino): Promise<QuotaReply> {
    const { epoch, bytes, files, grants } = this.#load(home, volume)
    let [usedBytes, usedFiles] = [0, 0]
    if (bytes !== null || files !== null) {
      const request = { volume, epoch, limited: true, lower: false }
      await this.#each([...grants], async ([partition, granted]) => {
        // One that is away may use what it was granted.
        const used = await this.#peers.call('recallQuota', partition, request).then(
          ({ body }) => ({ bytes: body.usedBytes, files: body.usedFiles }),
          () => granted,
        )
        usedBytes += used.bytes
        usedFiles += used.files
      })
    }
    return { bytes, files, usedBytes, usedFiles }
  }

  ask(home: Partition, request: AskQuotaRequest): Promise<AskQuotaReply> {
    const { volume, partition } = request
    return this.#inTurn(volume, async () => {
      const quota = this.#load(home, volume)
      const { epoch } = quota
      if (quota.bytes === null && quota.files === null) {
        return { limited: false, epoch, bytes: 0, files: 0 }
      }
      await this.#tellAll(quota)
      let granted = shareFor(quota, request)
      if (granted.bytes < request.bytes || granted.files < request.files) {
        await this.#recall(quota, partition)
        granted = shareFor(quota, request)
      }
      quota.grants.set(partition, granted)
      await this.#save(quota)
      return { limited: true, epoch, ...granted }
    })
  }

  /** Each partition that has not heard of this epoch. @throws ClusterError when one cannot be told. */
  async #tellAll(quota: Open): Promise<void> {
    if (quota.grants.size === this.#partitionCount) return
    const all = [...Array(this.#partitionCount).keys()]
    const untold = all.filter(partition => !quota.grants.has(partition))
    const failed = await this.#lower(quota, untold)
    await this.#save(quota)
    if (failed.length === 0) return
    const text = `${failed.length} partitions have not heard of the quota of volume ${quota.volume} yet`
    const code = failed.some(isAbsent) ? 'ABSENT' : 'NOT_READY'
    throw new ClusterError(code, text, { cause: failed[0] })
  }

  /** From those that may have something; who is away keeps it. */
  async #recall(quota: Open, except: number): Promise<void> {
    const holders = [...quota.grants]
      .filter(([partition, { bytes, files }]) => partition !== except && (bytes > 0 || files > 0))
      .map(([partition]) => partition)
    await this.#lower(quota, holders)
  }

  /** @returns what failed. */
  async #lower(quota: Open, partitions: readonly number[]): Promise<readonly unknown[]> {
    const { volume, epoch, bytes, files, grants } = quota
    const limited = bytes !== null || files !== null
    const request = { volume, epoch, limited, lower: true }
    const failed: unknown[] = []
    await this.#each(partitions, async partition => {
      try {
        const { body } = await this.#peers.call('recallQuota', partition, request)
        grants.set(partition, grantOf(body))
      } catch (error) {
        failed.push(error)
      }
    })
    return failed
  }

  async #each<T>(items: readonly T[], step: (item: T) => Promise<void>): Promise<void> {
    let next = 0
    const worker = async (): Promise<void> => {
      while (next < items.length) await step(items[next++]!)
    }
    await Promise.all(Array.from({ length: Math.min(maxQuotaCallsInFlight, items.length) }, worker))
  }

  #load(home: Partition, volume: Ino): Open {
    const { grants, ...quota } = decodeQuota(home.store.get(quotaKey(home.id, volume)))
    const byPartition = grants.map(({ partition, ...grant }) => [partition, grant] as const)
    return { ...quota, home, volume, grants: new Map(byPartition) }
  }

  async #save({ home, volume, grants, epoch, bytes, files }: Open): Promise<void> {
    const list = [...grants].map(([partition, grant]) => ({ partition, ...grant }))
    const value = encodeQuota({ epoch, bytes, files, grants: list })
    await home.stageMutations([{ key: quotaKey(home.id, volume), value }])
    await home.store.sync()
  }

  async #inTurn<T>(volume: Ino, step: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(volume) ?? Promise.resolve()
    const turn = before.then(step, step)
    this.#turns.set(volume, turn)
    try {
      return await turn
    } finally {
      if (this.#turns.get(volume) === turn) this.#turns.delete(volume)
    }
  }
}

function grantOf({ grantBytes, grantFiles }: RecallQuotaReply): Grant {
  return { bytes: grantBytes, files: grantFiles }
}

/** What the partition may have in all. */
function shareFor({ bytes, files, grants }: Open, request: AskQuotaRequest): Grant {
  let [others, otherFiles] = [0, 0]
  for (const [partition, grant] of grants) {
    if (partition === request.partition) continue
    others += grant.bytes
    otherFiles += grant.files
  }
  const current = grants.get(request.partition) ?? { bytes: 0, files: 0 }
  return {
    bytes: share(bytes, others, request.bytes, current.bytes, quotaAheadBytes),
    files: share(files, otherFiles, request.files, current.files, quotaAheadFiles),
  }
}

/** Somewhat ahead while much is left, so that few ask; to the last byte when little is. */
function share(
  limit: number | null,
  others: number,
  wanted: number,
  current: number,
  ahead: number,
): number {
  if (limit === null) return Number.MAX_SAFE_INTEGER
  const room = limit - others
  if (wanted > room) return Math.max(current, room)
  return Math.max(current, wanted + Math.min(ahead, Math.floor((room - wanted) / 4)))
}
