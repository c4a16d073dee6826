/**
 * Until when the kernel may go by names that it was told. It cannot be asked to forget one without harm: a notice for one name
 * waits for the lock of its directory, which a request may hold that waits for the recall; one for all of them
 * (FUSE_NOTIFY_INC_EPOCH), or that they are gone, has it drop what it finds there: file systems mounted on it are unmounted, and files
 * that are open show as deleted. So a name is told for a short time, and whoever calls it back waits for that.
 *
 * 1. The kernel begins to count when the program that asked has its turn: that counts as `kernelSpareMs` later at most.
 * 2. A rename takes the time of a name along to the new one: that is leased before anybody is told that it is done, or waited for.
 * 3. All that is remembered is bounded: of what is forgotten, the end of the last counts.
 */
import type { Env } from '../../network/env/env.ts'
import { kernelKeepsNamesMs, kernelSpareMs, maxKernelNames } from '../../network/limits.ts'
import { OrderedMap } from '../../network/ordered-map.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import { hashKey, type LeaseKey, nameKey, type Recalled } from '../cluster/read-leases.ts'
import type { Place } from './contract.ts'

interface Told {
  /** What the name leads to; 0: that it is not there. */
  readonly ino: Ino
  readonly untilMs: number
}

export class KernelNames {
  readonly #env: Pick<Env, 'clock' | 'timers'>
  readonly #limit: number
  /** In the order in which they were told last; by directory: names that are not there because it lacks them. */
  readonly #told = new OrderedMap<LeaseKey, Told>()
  #forgottenUntilMs = Number.NEGATIVE_INFINITY

  constructor(env: Pick<Env, 'clock' | 'timers'>, limit = maxKernelNames) {
    this.#env = env
    this.#limit = limit
  }

  get size(): number {
    return this.#told.size
  }

  /**
   * The kernel is about to be told what a name leads to; `ino` 0: that it is not there.
   * @param leasedMs for how long it could be kept.
   * @param isLacked it is not there because its directory lacks it.
   * @returns for how long it may be.
   */
  tell(parent: Ino, name: Name, ino: Ino, leasedMs: number, isLacked = false): number {
    const ms = Math.min(leasedMs, kernelKeepsNamesMs)
    if (ms <= 0) {
      if (ino !== 0 && this.#told.size > 0) this.#leads(nameKey(parent, name), ino)
      return 0
    }
    const nowMs = this.#env.clock.monotonicMs()
    const told = { ino, untilMs: nowMs + ms + kernelSpareMs }
    this.#note(nameKey(parent, name), told)
    if (isLacked) this.#note(parent, told)
    this.#forget(nowMs)
    return ms
  }

  /** Resolves when the kernel goes by none of what is called back. */
  async outwait({ inodes, names }: Recalled): Promise<void> {
    let untilMs = Number.NEGATIVE_INFINITY
    for (const ino of inodes) untilMs = Math.max(untilMs, this.#untilMs(ino))
    for (const { parent, hash } of names) {
      untilMs = Math.max(untilMs, this.#untilMs(hashKey(parent, hash)))
    }
    await this.#until(untilMs)
  }

  /**
   * Names were moved, and their times with them. Resolves when that may be told.
   * @param leasedMs for how long the place, which now leads to `ino`, is leased to be kept; 0: not at all.
   */
  async moved(
    moves: readonly { readonly from: Place; readonly to: Place }[],
    leasedMs: (to: Place, ino: Ino) => Promise<number>,
  ): Promise<void> {
    const nowMs = this.#env.clock.monotonicMs()
    const kept = moves.flatMap(({ from, to }) => {
      const key = nameKey(from.parent, from.name)
      const { ino, untilMs } = { ino: this.#told.get(key)?.ino ?? 0, untilMs: this.#untilMs(key) }
      return untilMs > nowMs ? [{ to, ino, untilMs }] : []
    })
    // Before it is leased: from then on it may be called back.
    for (const { to, ...told } of kept) this.#note(nameKey(to.parent, to.name), told)
    const settled = kept.map(({ to, ino, untilMs }) => {
      const ended = this.#until(untilMs)
      if (ino === 0) return ended
      const leased = leasedMs(to, ino).then(ms => (ms >= kernelKeepsNamesMs ? undefined : ended))
      return Promise.race([leased, ended])
    })
    await Promise.all(settled)
  }

  #note(key: LeaseKey, { ino, untilMs }: Told): void {
    const before = this.#told.get(key)?.untilMs ?? Number.NEGATIVE_INFINITY
    this.#told.set(key, { ino, untilMs: Math.max(before, untilMs) })
  }

  /** What was told of the name before, as that it is not there, is not what it takes along when it is moved. */
  #leads(key: LeaseKey, ino: Ino): void {
    const told = this.#told.get(key)
    if (told !== undefined) this.#told.replace(key, { ...told, ino })
  }

  #untilMs(key: LeaseKey): number {
    return Math.max(this.#told.get(key)?.untilMs ?? this.#forgottenUntilMs, this.#forgottenUntilMs)
  }

  async #until(untilMs: number): Promise<void> {
    const leftMs = untilMs - this.#env.clock.monotonicMs()
    if (leftMs > 0) await this.#env.timers.sleep(leftMs)
  }

  #forget(nowMs: number): void {
    for (let { first } = this.#told; first !== null; { first } = this.#told) {
      const { untilMs } = first.value
      if (untilMs > nowMs && this.#told.size <= this.#limit) return
      this.#told.delete(first.key)
      if (untilMs > nowMs) this.#forgottenUntilMs = Math.max(this.#forgottenUntilMs, untilMs)
    }
  }
}
