/**
 * What the kernel was last told of files that are open, to find pages that are stale without its knowing:
 * it drops pages when size or mtime differ (FUSE_AUTO_INVAL_DATA), but a program may put an mtime back.
 *
 * 1. When `change` differs while size and mtime do not, the pages are suspect until an invalidation that
 *    began after that has succeeded, or the kernel drops them after all. Likewise where the kernel takes another mtime without
 *    dropping anything: from the answer to a change of attributes (fuse_do_setattr).
 * 2. That a file has no capabilities is said of files open for writing, once for each time that attributes
 *    were told: then the kernel may ask before a write. Whoever asks else wants to know what is so now.
 * 3. Kept for open files only: at an open the kernel drops pages, unless it was told that they are true.
 * 4. The kernel takes nothing from an answer beside which a write ended (fuse_change_attributes), nor from the reply to an open:
 *    a new size counts as taken when no write can have overtaken an answer with it, or it was answered often enough.
 */
import { maxIgnoredTellings } from '../../network/limits.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import { xattrFlag } from '../../network/wire/xattr-names.ts'

interface Told {
  opens: number
  change: number
  size: number
  mtimeNs: bigint
  /** In how many answers the kernel was told of this size, without a notice before. */
  tellings: number
  /** `change` that made the pages suspect; null while they are not. */
  suspect: number | null
  /** Somebody opened it for writing. */
  writable: boolean
  /** The attributes last told say that there are no file capabilities, and nobody has used that yet. */
  noCapability: boolean
}

export class ToldAttributes {
  readonly #told = new Map<Ino, Told>()

  opened(attributes: Attributes, writable: boolean): void {
    this.tell(attributes)
    const told = this.#told.get(attributes.ino)
    if (told !== undefined) {
      told.opens += 1
      told.writable ||= writable
      return
    }
    const { ino, change, size, mtimeNs } = attributes
    const noCapability = lacksCapability(attributes)
    const [tellings, suspect] = [maxIgnoredTellings, null]
    const known = { change, size, mtimeNs, tellings, suspect }
    this.#told.set(ino, { opens: 1, ...known, writable, noCapability })
  }

  closed(ino: Ino): void {
    const told = this.#told.get(ino)
    if (told === undefined) return
    told.opens -= 1
    if (told.opens === 0) this.#told.delete(ino)
  }

  /** To be called with all attributes that the kernel gets. */
  tell(attributes: Attributes): void {
    const told = this.#told.get(attributes.ino)
    if (told === undefined) return
    told.noCapability = lacksCapability(attributes)
    if (told.change === attributes.change) return
    const { change, size, mtimeNs } = attributes
    const isSame = told.size === size && told.mtimeNs === mtimeNs
    // An invalidation would have the kernel ignore what it is being told (fuse_change_attributes), the new size, too.
    told.suspect = isSame ? change : null
    if (told.size !== size) told.tellings = 0
    Object.assign(told, { change, size, mtimeNs })
  }

  /**
   * To be called before `tell` with attributes that the kernel has asked to be changed.
   * @param isOwn nobody else has changed the file since its pages were true.
   */
  changed(attributes: Attributes, isOwn: boolean): void {
    const told = this.#told.get(attributes.ino)
    if (told === undefined) return
    const { change, size, mtimeNs } = attributes
    if (told.size !== size) told.suspect = null
    else if (!isOwn && change !== told.change + 1) told.suspect = change
    Object.assign(told, { change, size, mtimeNs, tellings: maxIgnoredTellings })
  }

  isOpen(ino: Ino): boolean {
    return this.#told.has(ino)
  }

  /** Whether it is open for writing. */
  isWritable(ino: Ino): boolean {
    return this.#told.get(ino)?.writable === true
  }

  /** Whether the kernel goes by this size. */
  isTaken({ ino, size }: Attributes): boolean {
    const told = this.#told.get(ino)
    return told?.size === size && told.tellings >= maxIgnoredTellings
  }

  /** The kernel is about to be answered with this, and no notice went before. @param mayBeIgnored for a write. */
  answered({ ino, size }: Attributes, mayBeIgnored: boolean): void {
    const told = this.#told.get(ino)
    if (told?.size !== size) return
    told.tellings = mayBeIgnored ? told.tellings + 1 : maxIgnoredTellings
  }

  /** What makes pages of this file suspect: they must be invalidated before they are read. */
  suspicion(ino: Ino): number | null {
    return this.#told.get(ino)?.suspect ?? null
  }

  /** The pages were invalidated, because of this suspicion. */
  invalidated(ino: Ino, suspicion: number): void {
    const told = this.#told.get(ino)
    if (told?.suspect === suspicion) told.suspect = null
  }

  /** Whether the file is open for writing and was last told to have no capabilities; true once. */
  takeNoCapability(ino: Ino): boolean {
    const told = this.#told.get(ino)
    if (told === undefined || !told.writable || !told.noCapability) return false
    told.noCapability = false
    return true
  }

  clear(): void {
    this.#told.clear()
  }
}

function lacksCapability({ xattrFlags }: Attributes): boolean {
  return (xattrFlags & xattrFlag.capability) === 0
}
