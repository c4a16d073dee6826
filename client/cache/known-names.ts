/**
 * Directories of which this client knows every name: they were empty once, and nobody but this client has changed
 * them since. So a name that is to be made needs no question whether it is there, and a listing needs no names.
 *
 * 1. What is known holds for one value of the directory's `change`, which never comes again; but what a change behind was to make of it may,
 *    when it fails: then it is forgotten (client/fs/change-behind.ts). That it is the present one is for a lease on the directory's attributes to say, or for an answer that has just come.
 * 2. Names that went, or share their hash with another, stay: of those the server is asked, but where the directory is listed.
 * 3. What the records of names take together is bounded: those of the directories go first that were found empty first.
 */
import {
  maxKnownDirectories,
  maxKnownNames,
  maxMadeNameBytes,
  maxSortedDirectories,
} from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import { type Attributes, isDirectory } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import type { PageRequest } from './kept-listings.ts'
import { type Made, MadeNames, type MadePage } from './made-names.ts'

/** Begun when the directory was found empty: who asks for a change tells by it what was known before. */
export interface Known {
  change: number
  readonly made: MadeNames
}

export interface KnownLimits {
  readonly names: number
  readonly directories: number
  readonly recordBytes: number
}

const usualLimits: KnownLimits = {
  names: maxKnownNames,
  directories: maxKnownDirectories,
  recordBytes: maxMadeNameBytes,
}

export class KnownNames {
  readonly #limits: KnownLimits
  /** In the order in which they were found empty. */
  readonly #directories = new Map<Ino, Known>()
  /** Those with records of their names, in the same order. */
  readonly #listable = new Set<Known>()
  /** Those that were listed last. */
  readonly #sorted = new Set<Known>()
  #count = 0
  #recordBytes = 0

  constructor(limits: Partial<KnownLimits> = {}) {
    this.#limits = { ...usualLimits, ...limits }
  }

  /** Names of all directories together. */
  get count(): number {
    return this.#count
  }

  /** What their records take. */
  get recordBytes(): number {
    return this.#recordBytes
  }

  /** To be called before a change is asked for, for `changed`. */
  before(ino: Ino): Known | undefined {
    return this.#directories.get(ino)
  }

  /** What an inode said of itself. */
  saw(attributes: Attributes): void {
    const { ino, mode, size, change, reach } = attributes
    const known = this.#directories.get(ino)
    if (known !== undefined) this.#doubt(known, attributes)
    // What a shard lost with its power, and another one gained, adds up to the same `change` as before.
    if (size > 0 || reach > 0 || !isDirectory(mode)) return
    if (known?.change === change && known.made.size === 0) return
    this.forget(ino)
    const made = new MadeNames()
    const anew = { change, made }
    this.#directories.set(ino, anew)
    this.#listable.add(anew)
    this.#recordBytes += made.bytes
    if (this.#directories.size > this.#limits.directories) this.#forgetOldest()
  }

  /**
   * This client has made, or removed, one name.
   * @param attributes the directory's, as they were at some time after.
   * @param made what the name leads to; null: it was removed.
   * @param before what was known before it was asked for: of what was found out meanwhile nobody can say whether
   * it has the change in it already, and the next one is somebody else's.
   */
  changed(attributes: Attributes, name: Name, made: Made | null, before: Known | undefined): void {
    const { ino, change } = attributes
    const known = this.#directories.get(ino)
    // Another one than this client's, too: and who knows what that was.
    if (known === undefined || known !== before || known.change !== change - 1) {
      this.forget(ino)
      return
    }
    known.change = change
    const { size, bytes } = known.made
    const hash = entryHash(name)
    if (made === null) known.made.remove(hash)
    else known.made.add(hash, name, made)
    this.#count += known.made.size - size
    this.#recordBytes += known.made.bytes - bytes
    if (!known.made.isListable) this.#listable.delete(known)
    while (this.#count > this.#limits.names) this.#forgetOldest()
    while (this.#recordBytes > this.#limits.recordBytes) this.#forgetRecordsOfOldest()
  }

  /** Whether there is no such name while the directory has these attributes. */
  lacks({ ino, change }: Attributes, name: Name): boolean {
    const known = this.#directories.get(ino)
    return known?.change === change && !known.made.has(entryHash(name))
  }

  /**
   * Whether `page` tells.
   * @param attributes undefined when they are still to be asked for: then it may.
   */
  canList(ino: Ino, attributes?: Pick<Attributes, 'change' | 'reach'>): boolean {
    const known = this.#directories.get(ino)
    if (known === undefined || attributes === undefined) return known?.made.isListable === true
    this.#doubt(known, attributes)
    return known.made.isListable && attributes.change === known.change
  }

  /** Names behind the cookie; undefined when they are not known of a directory with these attributes. */
  page(attributes: Attributes, request: PageRequest): MadePage | undefined {
    const { ino } = attributes
    const known = this.#directories.get(ino)
    if (known === undefined || !this.canList(ino, attributes)) return undefined
    this.#sorted.delete(known)
    this.#sorted.add(known)
    const [oldest] = this.#sorted
    if (this.#sorted.size > maxSortedDirectories) this.#forgetOrder(oldest!)
    return known.made.page(request)
  }

  /** What is known of it may not be all. */
  forget(ino: Ino): void {
    const known = this.#directories.get(ino)
    if (known === undefined) return
    this.#count -= known.made.size
    this.#directories.delete(ino)
    this.#forgetRecords(known)
  }

  /** A directory that has changed since, or is split, will not be listed from here again. */
  #doubt(known: Known, { change, reach }: Pick<Attributes, 'change' | 'reach'>): void {
    if (known.made.isListable && (change > known.change || reach > 0)) this.#forgetRecords(known)
  }

  #forgetOldest(): void {
    const [oldest] = this.#directories.keys()
    if (oldest !== undefined) this.forget(oldest)
  }

  #forgetRecordsOfOldest(): void {
    const [oldest] = this.#listable
    this.#forgetRecords(oldest!)
  }

  #forgetRecords(known: Known): void {
    this.#recordBytes -= known.made.bytes
    this.#listable.delete(known)
    known.made.forgetRecords()
    this.#forgetOrder(known)
  }

  #forgetOrder(known: Known): void {
    this.#sorted.delete(known)
    known.made.forgetOrder()
  }
}
