/**
 * The state of the cluster and its changes.
 *
 * 1. Changes happen one at a time, and are on disk before anybody hears of them.
 * 2. What is gathered changes the state together, at most `viewGatherMs` later, and one view tells of all of it. Each
 *    of these changes that fails, fails alone.
 * 3. After every change and every gathering, `plan` looks for what follows, until nothing does.
 */
import type { Env, Timer } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { maxFrameBodyBytes, viewGatherMs } from '../../network/limits.ts'
import type { Log } from '../../network/log.ts'
import { encodeBody } from '../../network/wire/codec.ts'
import type { View } from '../../network/wire/view.ts'
import { viewToWire } from '../../network/wire/wire-view.ts'
import type { ManagerStore } from '../store/contract.ts'
import { type ClusterState, withRemovedShown } from './state.ts'

export type Change = (state: ClusterState) => ClusterState

export interface ChangesInit {
  readonly env: Env
  readonly log: Log
  readonly store: ManagerStore
  /** As the store has it. */
  readonly state: ClusterState
  /** The next step of its own; the state itself when there is none. */
  readonly plan: Change
  /** A change was saved; before `published`. */
  readonly saved?: ((state: ClusterState) => void) | undefined
  /** A new view was saved. */
  readonly published: (view: View) => void
}

interface Gathered {
  readonly change: Change
  readonly end: PromiseWithResolvers<void>
}

export class Changes {
  readonly #init: ChangesInit
  #state: ClusterState
  /** The last change under way; each waits for the one before. */
  #last: Promise<void> = Promise.resolve()
  #gathered: Gathered[] = []
  #timer: Timer | undefined
  #closed = false

  constructor(init: ChangesInit) {
    this.#init = init
    this.#state = init.state
  }

  get state(): ClusterState {
    return this.#state
  }

  /**
   * @throws what `change` throws, ClusterError OVERLOADED when the view would not fit into a frame, DISK or NOT_LEADER
   * when the change cannot be saved: then nothing has changed.
   */
  make(change: Change): Promise<void> {
    const turn = this.#last.then(async () => {
      const before = this.#state
      const after = withRemovedShown(change(before))
      if (after === before) return
      if (after.view !== before.view) assertTravels(after.view)
      await this.#init.store.save(after)
      this.#state = after
      this.#init.saved?.(after)
      this.plan()
      if (after.view === null || after.view === before.view) return
      this.#init.log.info({ epoch: after.view.epoch, servers: after.members.length }, 'a new view')
      this.#init.published(after.view)
    })
    // Who asked for the change hears of its failure; the next one only waits for its end.
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** As `make`, soon and together with others. */
  gather(change: Change): Promise<void> {
    const end = Promise.withResolvers<void>()
    if (this.#closed) end.reject(new ClusterError('CLOSED', 'this manager stops'))
    else this.#gathered.push({ change, end })
    this.plan()
    return end.promise
  }

  /** Looks soon for what is to be done. */
  plan(): void {
    if (this.#closed) return
    this.#timer ??= this.#init.env.timers.after(viewGatherMs, () => this.#flush())
  }

  /** Nothing is planned from now on. Resolves when no change is under way. */
  close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    for (const { end } of this.#gathered.splice(0)) {
      end.reject(new ClusterError('CLOSED', 'this manager stops'))
    }
    return this.#last
  }

  #flush(): void {
    this.#timer = undefined
    const gathered = this.#gathered.splice(0)
    const failures = new Map<Gathered, unknown>()
    const change: Change = before => {
      let state = before
      for (const one of gathered) {
        try {
          state = one.change(state)
        } catch (error) {
          failures.set(one, error)
        }
      }
      return this.#init.plan(state)
    }
    this.make(change).then(
      () => {
        for (const one of gathered) {
          if (failures.has(one)) one.end.reject(failures.get(one))
          else one.end.resolve()
        }
      },
      (error: unknown) => {
        this.#init.log.warn({ error }, 'the view cannot be changed')
        for (const { end } of gathered) end.reject(error)
      },
    )
  }
}

/** A view that no frame can carry would leave every member behind. */
function assertTravels(view: View | null): void {
  if (view === null) return
  const { byteLength } = encodeBody({ view: viewToWire(view) })
  if (byteLength <= maxFrameBodyBytes) return
  const text = `the view would have ${byteLength} bytes, more than the ${maxFrameBodyBytes} of a frame`
  throw new ClusterError('OVERLOADED', text)
}
