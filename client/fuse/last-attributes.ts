/**
 * What the kernel was last told of each inode, for those that are gone while something still refers to them:
 * the working directory of a shell, a pipe or a device that a program has open (which the kernel opens by
 * itself), a descriptor of O_PATH. On a local disk fstat(2) of these works, and shows no links.
 *
 * 1. An inode number is never used again: what is said of one that its server no longer has stays true.
 * 2. Bounded: the inodes that were told of longest ago are forgotten, and answered with ESTALE.
 */
import { posixCodeOf } from '../../network/errors.ts'
import { maxLastAttributes } from '../../network/limits.ts'
import { RecentMap } from '../../network/recent-map.ts'
import { type Attributes, fileType, isDirectory } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { SetAttributes } from '../fs/contract.ts'

export class LastAttributes {
  readonly #told: RecentMap<Ino, Attributes>

  constructor(limit: number = maxLastAttributes) {
    this.#told = new RecentMap(limit)
  }

  tell(attributes: Attributes): void {
    this.#told.set(attributes.ino, attributes)
  }

  /** An inode that its server no longer has, as fstat(2) shows it; undefined when it was not told of. */
  gone(ino: Ino): Attributes | undefined {
    const last = this.#told.get(ino)
    if (last === undefined) return undefined
    return { ...last, nlink: 0, size: isDirectory(last.mode) ? 0 : last.size }
  }

  /** `gone`, when that is why something failed. @throws the error, when it is not. */
  goneBehind(error: unknown, ino: Ino): Attributes {
    const gone = posixCodeOf(error) === 'ESTALE' ? this.gone(ino) : undefined
    if (gone === undefined) throw error
    return gone
  }

  clear(): void {
    this.#told.clear()
  }
}

/** As fchmod(2), fchown(2) and futimens(3) leave what is gone; the time of now is nobody's to tell here. */
export function changedWhileGone(gone: Attributes, changes: SetAttributes): Attributes {
  const { mode = gone.mode, uid = gone.uid, gid = gone.gid, atimeNs, mtimeNs } = changes
  return {
    ...gone,
    mode: (gone.mode & fileType.mask) | (mode & ~fileType.mask),
    uid,
    gid,
    ...(typeof atimeNs === 'bigint' && { atimeNs }),
    ...(typeof mtimeNs === 'bigint' && { mtimeNs }),
  }
}
