/**
 * The newest view this member knows, and those who wait for a newer one.
 *
 * 1. The epoch only rises, that of each partition too, and the cluster never changes.
 * 2. A listener sees every view that was taken, in order.
 */
import type { Env, Timer } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import { maxViewWaiters } from '../limits.ts'
import type { View } from '../wire/view.ts'

export type ViewListener = (view: View) => void

interface Waiter {
  readonly epoch: number
  readonly timer: Timer
  readonly resolve: (view: View) => void
  readonly reject: (error: ClusterError) => void
}

export class ViewBoard {
  readonly #env: Env
  readonly #listeners = new Set<ViewListener>()
  readonly #waiters = new Set<Waiter>()
  /** The newest that was seen, also before this process: nothing older is taken. */
  #before: View | null
  #view: View | null = null
  #closed = false

  constructor(env: Env, before: View | null = null) {
    this.#env = env
    this.#before = before
  }

  get view(): View | null {
    return this.#view
  }

  get epoch(): number {
    return this.#view?.epoch ?? 0
  }

  /** The newest that is known, though it may be that of an earlier process. */
  get newest(): View | null {
    const [now, before] = [this.#view, this.#before]
    return now === null || (before !== null && before.epoch > now.epoch) ? before : now
  }

  /**
   * @returns whether it was newer.
   * @throws ClusterError WRONG_CLUSTER when it is another cluster's; STALE_EPOCH when it has a partition as it was before.
   */
  adopt(view: View, cluster: string): boolean {
    if (view.cluster !== cluster) {
      const text = `a view of cluster ${view.cluster} came to a member of ${cluster}`
      throw new ClusterError('WRONG_CLUSTER', text)
    }
    if (this.#closed || view.epoch <= this.epoch) return false
    this.#assertGoesOn(view)
    this.#view = view
    this.#before = null
    for (const waiter of this.#waiters) {
      if (view.epoch > waiter.epoch) this.#end(waiter).resolve(view)
    }
    for (const listener of [...this.#listeners]) listener(view)
    return true
  }

  /** Else what was given away since would be served again, as it was then or empty, and what was given be deleted. */
  #assertGoesOn({ cluster, epoch, partitions }: View): void {
    const seen = this.newest
    if (seen?.cluster !== cluster) return
    const before = seen.partitions
    const partition = before.findIndex((state, at) => state.epoch > (partitions[at]?.epoch ?? 0))
    if (partition < 0) return
    const text =
      `the view of epoch ${epoch} has partition ${partition} as it was before epoch ${seen.epoch}: the manager's state ` +
      'was put back from an old copy; put back a newer one'
    throw new ClusterError('STALE_EPOCH', text)
  }

  listen(listener: ViewListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  newerThan(epoch: number, deadlineMs: number): Promise<View> {
    if (this.#view !== null && this.#view.epoch > epoch) return Promise.resolve(this.#view)
    if (this.#closed) return Promise.reject(left())
    if (this.#waiters.size >= maxViewWaiters) {
      return Promise.reject(new ClusterError('OVERLOADED', `${maxViewWaiters} wait for a view`))
    }
    return new Promise((resolve, reject) => {
      const timer = this.#env.timers.after(deadlineMs, () => {
        const text = `no view newer than epoch ${epoch} came within ${deadlineMs} ms`
        this.#end(waiter).reject(new ClusterError('TIMEOUT', text))
      })
      const waiter: Waiter = { epoch, timer, resolve, reject }
      this.#waiters.add(waiter)
    })
  }

  close(): void {
    this.#closed = true
    for (const waiter of this.#waiters) this.#end(waiter).reject(left())
    this.#listeners.clear()
  }

  #end(waiter: Waiter): Waiter {
    waiter.timer.cancel()
    this.#waiters.delete(waiter)
    return waiter
  }
}

function left(): ClusterError {
  return new ClusterError('CLOSED', 'this member has left the cluster')
}
