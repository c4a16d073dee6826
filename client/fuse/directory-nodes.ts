/**
 * By which numbers the kernel knows directories, beside those of their inodes. Where it has a directory in one place and
 * looks it up in another, because another mount has moved it, it moves its own name of it (__d_unalias): but not while a
 * rename between directories goes on, which looks up its names itself. Then the lookup fails with ESTALE; whatever
 * program it was for, the kernel tries once more, and would fail again. So the second time the directory is told under
 * another number, an *alias*, and the kernel takes it for one that it does not know yet.
 *
 * 1. A directory gets another alias only when one thread looks up its name twice in a row where the kernel may not
 *    have it, or when the kernel holds its last one for removed. Who works in it under an older alias goes on to.
 * 2. All that is remembered is bounded. What is forgotten costs an ESTALE at most.
 */
import {
  maxDoubtedNames,
  maxLastAttributes,
  maxLastChecks,
  maxToldDirectories,
} from '../../network/limits.ts'
import { RecentMap } from '../../network/recent-map.ts'
import type { Ino } from '../../network/wire/ids.ts'
import { aliasLimit, opcode } from './protocol/numbers.ts'

/** What one thread was told since it last did anything else but to look. */
interface Doubts {
  /** Directories that the kernel had elsewhere, and the directory in which they were found. */
  readonly found: Map<Ino, Ino>
  /** The kernel failed and tries again. */
  retries: boolean
}

const unsure: Ino = 0
/** What the kernel asks to find its way; all else comes when it has found it. */
const looking: ReadonlySet<number> = new Set([opcode.lookup, opcode.getattr, opcode.getxattr])
/** No part of what the thread does. */
const asides: ReadonlySet<number> = new Set([opcode.forget, opcode.batchForget, opcode.interrupt])

export class DirectoryNodes {
  /** In which directory the kernel has it; `unsure` from a lookup elsewhere on, until somebody has come through. */
  readonly #parents = new RecentMap<Ino, Ino>(maxLastAttributes)
  readonly #aliases = new RecentMap<Ino, number>(maxToldDirectories)
  readonly #doubts = new Map<number, Doubts>()

  /** 0 is the inode number itself. */
  aliasOf(ino: Ino): number {
    return this.#aliases.get(ino) ?? 0
  }

  /** The kernel has it there from now on. */
  placed(ino: Ino, parent: Ino): void {
    this.#parents.set(ino, parent)
  }

  /** From now on it is another one to the kernel. */
  renew(ino: Ino): void {
    this.#aliases.set(ino, 1 + (this.aliasOf(ino) % (aliasLimit - 1)))
  }

  /** Before a thread is told that `parent` has this directory. */
  lookedUp(thread: number, ino: Ino, parent: Ino): void {
    const known = this.#parents.get(ino)
    if (known === undefined) this.placed(ino, parent)
    // Threads that this process cannot see have no number.
    if (known === undefined || known === parent || thread === 0) return
    const doubts = this.#doubtsOf(thread)
    doubts.retries ||= doubts.found.get(ino) === parent
    if (doubts.retries) {
      this.renew(ino)
      this.placed(ino, parent)
    } else if (doubts.found.size < maxDoubtedNames) {
      doubts.found.set(ino, parent)
      this.placed(ino, unsure)
    }
  }

  /** A request comes: what the thread was told before, it has found its way by, when it works with it now. */
  served(thread: number, operation: number, ino: Ino): void {
    if (this.#doubts.size === 0) return
    const doubts = this.#doubts.get(thread)
    if (doubts === undefined || asides.has(operation)) return
    const parent = doubts.found.get(ino)
    if (parent !== undefined) {
      this.placed(ino, parent)
      doubts.found.delete(ino)
    }
    if (looking.has(operation) || renames.has(operation)) return
    this.#doubts.delete(thread)
  }

  /** A rename or rmdir was refused with ESTALE. @returns whether that was the second try of this thread. */
  refusedTwice(thread: number): boolean {
    if (thread === 0) return false
    const doubts = this.#doubtsOf(thread)
    if (doubts.retries) return true
    doubts.retries = true
    return false
  }

  /** A rename or rmdir of this thread has ended, otherwise than with ESTALE. */
  settled(thread: number): void {
    this.#doubts.delete(thread)
  }

  #doubtsOf(thread: number): Doubts {
    const known = this.#doubts.get(thread)
    if (known !== undefined) return known
    if (this.#doubts.size >= maxLastChecks) this.#doubts.clear()
    const doubts = { found: new Map<Ino, Ino>(), retries: false }
    this.#doubts.set(thread, doubts)
    return doubts
  }
}

/** These may have been refused before, and end by `settled` or `refusedTwice`. */
const renames: ReadonlySet<number> = new Set([opcode.rename, opcode.rename2, opcode.rmdir])
