/** Finds paths for what a check has found, as far as names lead to it. */
import {
  maxEntryHints,
  maxPathBytes,
  maxPathPages,
  readdirLimitBytes,
} from '../../network/limits.ts'
import { entriesOfRecords } from '../../network/wire/directory-records.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { NamePlace } from '../../network/wire/operations.ts'
import type { Cluster } from '../cluster/contract.ts'
import { type Context, contextOf } from '../fs/context.ts'
import { readdir } from '../fs/directory.ts'

export class Paths {
  readonly #cluster: Cluster
  readonly #context: Context
  /** Of directories: below them lie many findings. */
  readonly #known = new Map<Ino, string | null>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#context = contextOf(cluster)
  }

  /** `volume:/path` of a name; null when the way up ends before the root. */
  async ofName({ directory, cookie }: NamePlace): Promise<string | null> {
    try {
      const page = await readdir(this.#context, directory, cookie - 1, { limitBytes: 1 })
      const entry = entriesOfRecords(page.records).find(one => one.cookie === cookie)
      return entry === undefined ? null : await this.#below(directory, entry.name, [])
    } catch {
      // A path is for people: a directory that cannot be read is told of by its own finding.
      return null
    }
  }

  async #ofDirectory(ino: Ino, below: readonly Ino[]): Promise<string | null> {
    if (ino === clusterRootIno) return ''
    const known = this.#known.get(ino)
    if (known !== undefined) return known
    const found = await this.#findDirectory(ino, below)
    if (this.#known.size < maxEntryHints) this.#known.set(ino, found)
    return found
  }

  async #findDirectory(ino: Ino, below: readonly Ino[]): Promise<string | null> {
    if (below.includes(ino) || below.length > maxPathBytes / 2) return null
    const { body } = await this.#cluster.query('checkInode', partitionOfIno(ino), { ino })
    if (!body.present) return null
    const name = await this.#nameIn(body.parent, ino)
    return name === null ? null : await this.#below(body.parent, name, [...below, ino])
  }

  async #below(directory: Ino, name: Uint8Array, below: readonly Ino[]): Promise<string | null> {
    const above = await this.#ofDirectory(directory, below)
    if (above === null) return null
    const text = Buffer.from(name).toString()
    if (above === '') return `${text}:/`
    return above.endsWith('/') ? `${above}${text}` : `${above}/${text}`
  }

  async #nameIn(parent: Ino, child: Ino): Promise<Uint8Array | null> {
    const options = { limitBytes: readdirLimitBytes }
    let cookie = 0
    for (let pages = 0; pages < maxPathPages; pages++) {
      const { records, end, next } = await readdir(this.#context, parent, cookie, options)
      const entry = entriesOfRecords(records).find(({ ino }) => ino === child)
      if (entry !== undefined) return entry.name
      if (end) return null
      cookie = next
    }
    return null
  }
}
