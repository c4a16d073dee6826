/**
 * Moves the access time of files that are read, behind their readers: nobody waits for it but who asks for the
 * inode's attributes afterwards.
 *
 * 1. What was read is told a moment later, together with what else was read of the same partition by then.
 * 2. A bounded number of inodes is noted at a time; what finds no room is left to the next read.
 * 3. A failure is nobody's: an access time that did not move is no error to a reader (as in touch_atime of
 *    the kernel).
 */
import { sleepOn } from '../../network/env/sleep.ts'
import {
  accessDelayMs,
  accessSettleMs,
  maxAccessBatch,
  maxAccessesNoted,
} from '../../network/limits.ts'
import { isAccessTimeDue } from '../../network/wire/access-time.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { Cluster } from '../cluster/contract.ts'
import type { OpenInode } from './open-inodes.ts'

interface Noted {
  readonly inode: OpenInode
  readonly atMs: number
}

/** What of a cluster is needed here. */
type Asked = Pick<Cluster, 'env' | 'query'> & {
  readonly leases: Pick<Cluster['leases'], 'asking' | 'keepChanged'>
}

export class AccessTimes {
  readonly #cluster: Asked
  /** To be told. */
  readonly #noted = new Map<Partition, Map<Ino, Noted>>()
  readonly #underWay = new Map<Ino, Promise<void>>()
  #notedCount = 0
  #isTimed = false

  constructor(cluster: Asked) {
    this.#cluster = cluster
  }

  /** Whether a read now moves the access time of an inode that is like this. */
  isDue(attributes: Attributes): boolean {
    return isAccessTimeDue(attributes, this.#cluster.env.clock.wallNs())
  }

  /** The inode was read. */
  read(inode: OpenInode): void {
    const { ino, attributes } = inode
    if (!this.isDue(attributes)) return
    const partition = partitionOfIno(ino)
    const noted = this.#noted.get(partition) ?? new Map<Ino, Noted>()
    if (noted.has(ino) || this.#underWay.has(ino)) return
    if (this.#notedCount + this.#underWay.size >= maxAccessesNoted) return
    this.#noted.set(partition, noted)
    noted.set(ino, { inode, atMs: this.#cluster.env.clock.monotonicMs() })
    this.#notedCount++
    if (noted.size >= maxAccessBatch) this.#tell(partition, noted)
    else if (!this.#isTimed) {
      this.#isTimed = true
      this.#cluster.env.timers.after(accessDelayMs, () => this.#tellAll())
    }
  }

  /** What was read of the inode is told now: resolves when it shows. null when nothing was. */
  told(ino: Ino): Promise<void> | null {
    if (this.#notedCount > 0) {
      const partition = partitionOfIno(ino)
      const noted = this.#noted.get(partition)
      if (noted?.has(ino)) this.#tell(partition, noted)
    }
    return this.#underWay.size === 0 ? null : (this.#underWay.get(ino) ?? null)
  }

  /** The same of all that was read; a server that does not answer is not waited for. */
  async toldAll(): Promise<void> {
    if (this.#notedCount > 0) this.#tellAll()
    if (this.#underWay.size === 0) return
    const all = Promise.all(this.#underWay.values())
    await Promise.race([all, sleepOn(this.#cluster.env.timers, accessSettleMs)])
  }

  #tellAll(): void {
    this.#isTimed = false
    for (const [partition, noted] of this.#noted) this.#tell(partition, noted)
  }

  #tell(partition: Partition, noted: ReadonlyMap<Ino, Noted>): void {
    this.#noted.delete(partition)
    this.#notedCount -= noted.size
    const telling = this.#ask(partition, noted)
      .catch(() => undefined)
      .finally(() => {
        for (const ino of noted.keys()) this.#underWay.delete(ino)
      })
    for (const ino of noted.keys()) this.#underWay.set(ino, telling)
  }

  async #ask(partition: Partition, noted: ReadonlyMap<Ino, Noted>): Promise<void> {
    const { env, leases } = this.#cluster
    const nowMs = env.clock.monotonicMs()
    const accesses = [...noted].map(([ino, { atMs }]) => ({ ino, agoMs: nowMs - atMs }))
    const asked = leases.asking(partition)
    const { body } = await this.#cluster.query('accessed', partition, { accesses })
    for (const { attributes, leaseMs } of body.shown) {
      leases.keepChanged(attributes, asked, leaseMs)
      noted.get(attributes.ino)?.inode.learn(attributes)
    }
  }
}
