/**
 * Pages of directories as this client was told them, for whoever lists them again.
 *
 * 1. Pages hold for one value of the directory's `change`, which only rises, and never comes again: but where its machine has lost
 *    power, as what others were told of may be gone then. So they hold for one boot of it, and one view, too; and those of a directory are
 *    forgotten when a change behind fails there, whose value may be given to another. That they were the present ones before
 *    pages were asked for is what `saw` is told; that they are still is for a lease on the directory's attributes to say.
 * 2. All of them together, and those of one directory, are bounded: those of the directory go first that was not listed for
 *    longest, and what a large one has beyond its bound is not kept.
 */
import {
  maxKeptDirectoryBytes,
  maxKeptListingBytes,
  pageOverheadBytes,
  readLeaseMs,
} from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Boot } from '../cluster/contract.ts'
import type { NamesPage } from '../fs/contract.ts'

/** Of a directory's names. */
export interface Version {
  readonly change: number
  /** Of the machine that said so. */
  readonly boot: Boot
  /** With another one, another machine may have the directory. */
  readonly viewEpoch: number
}

/** Which names: behind the cookie, and as many as that. */
export interface PageRequest {
  readonly cookie: number
  readonly limitBytes: number
}

interface KeptPage {
  readonly limitBytes: number
  readonly page: NamesPage
}

interface KeptDirectory {
  readonly version: Version
  /** When it was seen to be that. */
  readonly atMs: number
  /** By the cookies behind which they are. */
  readonly pages: Map<number, KeptPage>
  bytes: number
}

export class KeptListings {
  readonly #limitBytes: number
  readonly #directoryLimitBytes: number
  /** In the order of their last use. */
  readonly #directories = new Map<Ino, KeptDirectory>()
  #bytes = 0

  constructor(limitBytes = maxKeptListingBytes, directoryLimitBytes = maxKeptDirectoryBytes) {
    this.#limitBytes = limitBytes
    this.#directoryLimitBytes = directoryLimitBytes
  }

  /** What all pages take. */
  get bytes(): number {
    return this.#bytes
  }

  /** The directory is about to be listed, and what it says is leased: pages of another version are forgotten. */
  saw(directory: Ino, version: Version, nowMs: number): void {
    const known = this.#of(directory, version)
    if (known !== undefined && known.atMs + readLeaseMs > nowMs) return
    this.forget(directory)
    const bytes = pageOverheadBytes
    this.#bytes += bytes
    this.#directories.set(directory, { version, atMs: nowMs, pages: new Map(), bytes })
    this.#forgetOldest()
  }

  /** What was seen last; undefined when that is forgotten. To be called before a page is asked for, for `keep`. */
  versionOf(directory: Ino): Version | undefined {
    return this.#directories.get(directory)?.version
  }

  /** @param version `versionOf` from before it was asked for. */
  keep(directory: Ino, version: Version, request: PageRequest, page: NamesPage): void {
    const known = this.#of(directory, version)
    if (known === undefined) return
    const { cookie, limitBytes } = request
    const before = known.pages.get(cookie)
    const bytes = bytesOf(page) - (before === undefined ? 0 : bytesOf(before.page))
    if (known.bytes + bytes > this.#directoryLimitBytes) return
    known.pages.set(cookie, { limitBytes, page: { ...page, records: own(page.records) } })
    known.bytes += bytes
    this.#bytes += bytes
    this.#forgetOldest()
  }

  /** @param version as it is leased. */
  find(directory: Ino, version: Version, request: PageRequest): NamesPage | undefined {
    const known = this.#of(directory, version)
    const kept = known?.pages.get(request.cookie)
    if (known === undefined || kept?.limitBytes !== request.limitBytes) return undefined
    this.#directories.delete(directory)
    this.#directories.set(directory, known)
    return kept.page
  }

  forget(directory: Ino): void {
    this.#bytes -= this.#directories.get(directory)?.bytes ?? 0
    this.#directories.delete(directory)
  }

  #of(directory: Ino, version: Version): KeptDirectory | undefined {
    const known = this.#directories.get(directory)
    return known !== undefined && isSame(known.version, version) ? known : undefined
  }

  #forgetOldest(): void {
    for (const directory of this.#directories.keys()) {
      if (this.#bytes <= this.#limitBytes) return
      this.forget(directory)
    }
  }
}

function isSame(one: Version, other: Version): boolean {
  const { change, boot, viewEpoch } = other
  return one.change === change && one.boot === boot && one.viewEpoch === viewEpoch
}

function bytesOf({ records }: NamesPage): number {
  return records.length + pageOverheadBytes
}

/** Not a small part of what was received together. */
function own(records: Uint8Array): Uint8Array {
  return records.buffer.byteLength > 2 * records.length ? Uint8Array.from(records) : records
}
