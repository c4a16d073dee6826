/**
 * Which directory the kernel was last told to have a name. It asks for a name under the lock of the directory right
 * before it removes or replaces it, and names it again without saying which inode it means; when that is done it
 * takes its own inode for dead (S_DEAD), and whoever opens that finds it empty for as long as the kernel knows it.
 * Another mount may have moved that inode elsewhere meanwhile: so the server is told which one was meant.
 *
 * Bounded: what was told longest ago is forgotten, and then nothing is meant.
 */
import { maxToldDirectories, maxToldInDirectory } from '../../network/limits.ts'
import { RecentMap } from '../../network/recent-map.ts'
import { type Attributes, isDirectory } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Place } from '../fs/contract.ts'

export class ToldDirectories {
  readonly #byParent = new RecentMap<Ino, Map<string, Ino>>(maxToldDirectories)

  /** @param attributes of what has the name; null when nothing has. */
  tell(parent: Ino, name: Uint8Array, attributes: Attributes | null): void {
    const isDirectoryNow = attributes !== null && isDirectory(attributes.mode)
    this.#set(parent, name, isDirectoryNow ? attributes.ino : undefined)
  }

  /** The kernel has renamed, and goes by it: it does not ask for the new name as long as it may keep the old one. */
  renamed(from: Place, to: Place, exchanges: boolean): void {
    const [moved, there] = [this.meant(from.parent, from.name), this.meant(to.parent, to.name)]
    this.#set(to.parent, to.name, moved)
    this.#set(from.parent, from.name, exchanges ? there : undefined)
  }

  /** undefined when it was told of none, or long ago. */
  meant(parent: Ino, name: Uint8Array): Ino | undefined {
    return this.#byParent.get(parent)?.get(keyOf(name))
  }

  #set(parent: Ino, name: Uint8Array, ino: Ino | undefined): void {
    let names = this.#byParent.get(parent)
    if (ino === undefined) {
      names?.delete(keyOf(name))
      return
    }
    if (names === undefined || names.size >= maxToldInDirectory) {
      names = new Map()
      this.#byParent.set(parent, names)
    }
    names.set(keyOf(name), ino)
  }
}

function keyOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1')
}
