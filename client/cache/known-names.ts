/**
 * Directories of which this client knows every name: they were empty once, and nobody but this client has changed
 * them since. So a name that is to be made needs no question whether it is there.
 *
 * 1. What is known holds for one value of the directory's `change`, which never comes again. That it is the
 *    present one is for a lease on the directory's attributes to say.
 * 2. Names that went, or share their hash with another, stay: of those the server is asked.
 */
import { maxKnownDirectories, maxKnownNames } from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import { type Attributes, isDirectory } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'

/** Begun when the directory was found empty: who asks for a change tells by it what was known before. */
export interface Known {
  change: number
  readonly hashes: Set<number>
}

export class KnownNames {
  readonly #limit: number
  readonly #directoryLimit: number
  /** In the order in which they were found empty. */
  readonly #directories = new Map<Ino, Known>()
  #count = 0

  constructor(limit: number = maxKnownNames, directoryLimit: number = maxKnownDirectories) {
    this.#limit = limit
    this.#directoryLimit = directoryLimit
  }

  /** Names of all directories together. */
  get count(): number {
    return this.#count
  }

  /** To be called before a change is asked for, for `changed`. */
  before(ino: Ino): Known | undefined {
    return this.#directories.get(ino)
  }

  /** What an inode said of itself. */
  saw({ ino, mode, size, change, reach }: Attributes): void {
    // What a shard lost with its power, and another one gained, adds up to the same `change` as before.
    if (size > 0 || reach > 0 || !isDirectory(mode)) return
    const known = this.#directories.get(ino)
    if (known?.change === change && known.hashes.size === 0) return
    this.forget(ino)
    this.#directories.set(ino, { change, hashes: new Set() })
    if (this.#directories.size > this.#directoryLimit) this.#forgetOldest()
  }

  /**
   * This client has made, or removed, one name.
   * @param attributes the directory's, as they were at some time after.
   * @param before what was known before it was asked for: of what was found out meanwhile nobody can say whether
   * it has the change in it already, and the next one is somebody else's.
   */
  changed(attributes: Attributes, name: Name, before: Known | undefined): void {
    const { ino, change } = attributes
    const known = this.#directories.get(ino)
    // Another one than this client's, too: and who knows what that was.
    if (known === undefined || known !== before || known.change !== change - 1) {
      this.forget(ino)
      return
    }
    known.change = change
    const { size } = known.hashes
    known.hashes.add(entryHash(name))
    this.#count += known.hashes.size - size
    while (this.#count > this.#limit) this.#forgetOldest()
  }

  /** Whether there is no such name while the directory has these attributes. */
  lacks({ ino, change }: Attributes, name: Name): boolean {
    const known = this.#directories.get(ino)
    return known?.change === change && !known.hashes.has(entryHash(name))
  }

  /** What is known of it may not be all. */
  forget(ino: Ino): void {
    const known = this.#directories.get(ino)
    if (known === undefined) return
    this.#count -= known.hashes.size
    this.#directories.delete(ino)
  }

  #forgetOldest(): void {
    const [oldest] = this.#directories.keys()
    if (oldest !== undefined) this.forget(oldest)
  }
}
