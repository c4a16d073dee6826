/**
 * What the kernel was last told of each inode, for those that are gone while something still refers to them:
 * the working directory of a shell, a pipe or a device that a program has open (which the kernel opens by
 * itself), a descriptor of O_PATH. On a local disk fstat(2) of these works, and shows no links.
 *
 * 1. An inode number is never used again: what is said of one that its server no longer has stays true.
 * 2. Bounded: the inodes that were told of longest ago are forgotten, and answered with ESTALE.
 */
import { maxLastAttributes } from '../../network/limits.ts'
import { type Attributes, isDirectory } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'

export class LastAttributes {
  /** In the order in which they were told: the first is the next to go. */
  readonly #told = new Map<Ino, Attributes>()
  readonly #limit: number

  constructor(limit: number = maxLastAttributes) {
    this.#limit = limit
  }

  tell(attributes: Attributes): void {
    const told = this.#told
    told.delete(attributes.ino)
    told.set(attributes.ino, attributes)
    if (told.size <= this.#limit) return
    for (const oldest of told.keys()) {
      told.delete(oldest)
      return
    }
  }

  /** An inode that its server no longer has, as fstat(2) shows it; undefined when it was not told of. */
  gone(ino: Ino): Attributes | undefined {
    const last = this.#told.get(ino)
    if (last === undefined) return undefined
    return { ...last, nlink: 0, size: isDirectory(last.mode) ? 0 : last.size }
  }

  clear(): void {
    this.#told.clear()
  }
}
