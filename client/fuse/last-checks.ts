/**
 * What each thread was told last of an inode, for the question that often follows: to check the permission
 * of somebody who is not the owner, the kernel asks for attributes and then, from the same thread, for the
 * access ACL (fuse_permission). Attributes say whether there is one.
 *
 * 1. An answer is given to the thread that asked for the attributes, once, and not after it asked for others, or anybody was
 *    told that there is an ACL: it is as new as the attributes that the kernel goes by.
 * 2. None is given when an ACL was changed through this mount after those attributes were asked for.
 */
import { maxLastChecks } from '../../network/limits.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import { xattrFlag } from '../../network/wire/xattr-names.ts'

export class LastChecks {
  /** By thread: an inode that had no access ACL. */
  readonly #withoutAcl = new Map<number, Ino>()
  #aclChanges = 0

  /** A GETATTR begins. @returns what `told` wants to know. */
  asked(thread: number): number {
    this.#withoutAcl.delete(thread)
    return this.#aclChanges
  }

  told(thread: number, { ino, xattrFlags }: Attributes, asked: number): void {
    // The kernel gives no number of threads that this process cannot see.
    if (thread === 0 || asked !== this.#aclChanges) return
    if ((xattrFlags & xattrFlag.accessAcl) !== 0) return
    if (this.#withoutAcl.size >= maxLastChecks) this.#withoutAcl.clear()
    this.#withoutAcl.set(thread, ino)
  }

  /** To be called with all attributes that the kernel gets. */
  saw({ ino, xattrFlags }: Attributes): void {
    if ((xattrFlags & xattrFlag.accessAcl) === 0) return
    this.#aclChanges += 1
    for (const [thread, told] of this.#withoutAcl) {
      if (told === ino) this.#withoutAcl.delete(thread)
    }
  }

  /** Whether this thread has just been told that the inode has no access ACL; true once. */
  takeNoAcl(thread: number, ino: Ino): boolean {
    if (this.#withoutAcl.get(thread) !== ino) return false
    return this.#withoutAcl.delete(thread)
  }

  /** A change of an ACL has ended, well or not. */
  aclChanged(): void {
    this.#aclChanges += 1
    this.#withoutAcl.clear()
  }
}
