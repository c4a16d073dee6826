/**
 * Moves the access time of files that are read, behind their readers: nobody waits for it but who asks for the
 * inode's attributes afterwards.
 *
 * 1. One request for an inode is on its way at a time, and a bounded number in all; what finds no room is
 *    left to the next read.
 * 2. A failure is nobody's: an access time that did not move is no error to a reader (as in touch_atime of
 *    the kernel).
 */
import { maxAccessRequests } from '../../network/limits.ts'
import { isAccessTimeDue } from '../../network/wire/access-time.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Cluster } from '../cluster/contract.ts'
import type { OpenInode } from './open-inodes.ts'

export class AccessTimes {
  readonly #cluster: Cluster
  readonly #underWay = new Map<Ino, Promise<void>>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Whether a read now moves the access time of an inode that is like this. */
  isDue(attributes: Attributes): boolean {
    return isAccessTimeDue(attributes, this.#cluster.env.clock.wallNs())
  }

  /** The inode is being read. */
  read(inode: OpenInode): void {
    const { ino, attributes } = inode
    if (!this.isDue(attributes)) return
    if (this.#underWay.has(ino) || this.#underWay.size >= maxAccessRequests) return
    const noting = this.#cluster
      .query('accessed', partitionOfIno(ino), { ino })
      .then(
        ({ body }) => inode.learn(body.attributes),
        () => undefined,
      )
      .finally(() => this.#underWay.delete(ino))
    this.#underWay.set(ino, noting)
  }

  /** What was read of the inode is on its way: resolves when it shows. null when nothing is. */
  underWay(ino: Ino): Promise<void> | null {
    return this.#underWay.size === 0 ? null : (this.#underWay.get(ino) ?? null)
  }
}
