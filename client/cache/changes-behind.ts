/**
 * Changes that programs were answered and that are on their way to their server (fs/change-behind.ts): what they make of names
 * and inodes, and who has to wait for them.
 *
 * 1. A name has one at a time; an inode that is made or written may have more, one after the other.
 * 2. Inode numbers that a server has given this client are given out once.
 * 3. What is changed in the usual way comes after what is on its way, and before what would be changed behind next
 *    (`alone`): requests that are sent again, when a connection broke, come in any order.
 */
import { Counts } from '../../network/counts.ts'
import { behindBusyMs, behindNumbers, maxChangesBehind } from '../../network/limits.ts'
import { RecentMap } from '../../network/recent-map.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { type Ino, type Partition, partitionOfIno } from '../../network/wire/ids.ts'
import type { Name, Numbers } from '../../network/wire/operations.ts'
import { nameKey } from '../cluster/read-leases.ts'

export interface ChangeBehind {
  readonly ino: Ino
  /** What the inode is by it; null: a name of it is removed. */
  readonly attributes: Attributes | null
  /** The name that it makes or removes; null: it changes data alone. */
  readonly place: { readonly directory: Ino; readonly name: Name } | null
  /** Resolves when it is done or has failed, and those of the inode before it. */
  readonly ended: Promise<void>
  /** The inode's `change` by it, as its server has said; null until then. */
  madeChange: number | null
  /** It makes the inode, and has not ended: nobody else can look at that, so the kernel may go by the attributes. */
  mayBeKept: boolean
}

/** null when there is nothing to wait for. */
type Left = Promise<void> | null

interface Failure {
  readonly error: unknown
}

/** No inode's number: of all. */
const all = 0

export class ChangesBehind {
  readonly #changes = new Set<ChangeBehind>()
  readonly #byName = new Map<string, ChangeBehind>()
  /** The last one of each. */
  readonly #byInode = new Map<Ino, ChangeBehind>()
  readonly #directories = new Counts<Ino>()
  readonly #numbers = new Map<Partition, Numbers[]>()
  readonly #changeFloors = new Map<Partition, number>()
  /** What is being changed in the usual way. */
  readonly #held = new Counts<Ino>()
  /** What failed, by directory, or file that was closed, until somebody is told. */
  readonly #failures = new RecentMap<Ino, Failure>(maxChangesBehind)
  /** When a name was last changed, by partition. */
  readonly #changedMs = new Map<Partition, number>()
  /** Where a lease, or numbers, were asked for, and there is no answer yet. */
  readonly asking = new Set<Partition>()
  /** Nothing is changed behind before this, of the monotonic clock. */
  throughUntilMs = Number.NEGATIVE_INFINITY
  readonly #hurry: (partition: Partition) => void

  /** @param hurry somebody waits for what is on its way there. */
  constructor(hurry: (partition: Partition) => void = () => undefined) {
    this.#hurry = hurry
  }

  get isEmpty(): boolean {
    return this.#changes.size === 0
  }

  get isFull(): boolean {
    return this.#changes.size >= maxChangesBehind
  }

  /** A name is about to be changed there. @returns whether another one was a moment ago. */
  noteChange(partition: Partition, nowMs: number): boolean {
    const changedMs = this.#changedMs.get(partition) ?? Number.NEGATIVE_INFINITY
    this.#changedMs.set(partition, nowMs)
    return changedMs + behindBusyMs > nowMs
  }

  begin(change: ChangeBehind): void {
    const { place, ino } = change
    this.#changes.add(change)
    this.#byInode.set(ino, change)
    if (place === null) return
    this.#byName.set(nameKey(place.directory, place.name), change)
    this.#directories.add(place.directory)
  }

  end(change: ChangeBehind): void {
    const { place, ino } = change
    this.#changes.delete(change)
    if (this.#byInode.get(ino) === change) this.#byInode.delete(ino)
    if (place === null) return
    this.#byName.delete(nameKey(place.directory, place.name))
    this.#directories.subtract(place.directory)
  }

  /** Of the name, or of another one that shares its hash. */
  named(directory: Ino, name: Name): ChangeBehind | undefined {
    return this.isEmpty ? undefined : this.#byName.get(nameKey(directory, name))
  }

  ofInode(ino: Ino): ChangeBehind | undefined {
    return this.#byInode.get(ino)
  }

  /** Whether names in the directory are on their way. */
  isIn(directory: Ino): boolean {
    return this.#directories.has(directory)
  }

  /** Whether something of the inode, or of names in it, is on its way. */
  concern(ino: Ino): boolean {
    return !this.isEmpty && (this.#byInode.has(ino) || this.#directories.has(ino))
  }

  /** What is on its way now of the inode, or of names in it, ends. */
  settled(ino: Ino): Left {
    if (this.isEmpty) return null
    if (this.#directories.has(ino)) return this.#endOf(({ place }) => place?.directory === ino)
    const change = this.#byInode.get(ino)
    if (change === undefined) return null
    this.#hurry(partitionOfIno(ino))
    return change.ended
  }

  settledIn(partitions: readonly Partition[]): Left {
    if (this.isEmpty || partitions.length === 0) return null
    return this.#endOf(({ ino }) => partitions.includes(partitionOfIno(ino)))
  }

  settledAll(): Left {
    return this.isEmpty ? null : this.#endOf(() => true)
  }

  async #endOf(concerns: (change: ChangeBehind) => boolean): Promise<void> {
    const waited = [...this.#changes].filter(concerns)
    for (const partition of new Set(waited.map(({ ino }) => partitionOfIno(ino)))) {
      this.#hurry(partition)
    }
    await Promise.all(waited.map(({ ended }) => ended))
  }

  /**
   * Runs a step that changes these inodes, or names in them, in the usual way; null: whatever it is. It waits for what is on
   * its way of them, and nothing of them is changed behind until it has ended.
   */
  async alone<T>(inos: readonly Ino[] | null, step: () => Promise<T>): Promise<T> {
    const held = inos ?? [all]
    for (const ino of held) this.#held.add(ino)
    try {
      if (!this.isEmpty) {
        await (inos === null ? this.settledAll() : Promise.all(inos.map(ino => this.settled(ino))))
      }
      return await step()
    } finally {
      for (const ino of held) this.#held.subtract(ino)
    }
  }

  /** Whether nothing of the inode, or of names in it, is to be changed behind now. */
  isHeld(ino: Ino): boolean {
    return this.#held.size > 0 && (this.#held.has(ino) || this.#held.has(all))
  }

  /** More numbers than are used up between two leases go to waste. */
  gave(partition: Partition, numbers: Numbers, changeFloor: number): void {
    this.#changeFloors.set(partition, changeFloor)
    const given = this.#numbers.get(partition)
    if (given === undefined) this.#numbers.set(partition, [numbers])
    else if (this.numbersLeft(partition) < behindNumbers) given.push(numbers)
  }

  /** What the inode's server makes of its `change`. */
  changeAfter({ ino, change }: Pick<Attributes, 'ino' | 'change'>): number {
    return Math.max(change + 1, this.#changeFloors.get(partitionOfIno(ino)) ?? 0)
  }

  numbersLeft(partition: Partition): number {
    let sum = 0
    for (const { count } of this.#numbers.get(partition) ?? []) sum += count
    return sum
  }

  /** There has to be one left. */
  takeNumber(partition: Partition): Ino {
    const given = this.#numbers.get(partition)!
    const { first, count } = given[0]!
    if (count > 1) given[0] = { first: first + 1, count: count - 1 }
    else given.shift()
    return first
  }

  failed(ino: Ino, error: unknown): void {
    this.#failures.set(ino, { error })
  }

  /** What failed of it since somebody was told; undefined for nothing. */
  takeFailure(ino: Ino): unknown {
    const failure = this.#failures.get(ino)
    if (failure !== undefined) this.#failures.delete(ino)
    return failure?.error
  }
}
