/**
 * One change of a block at a time, in the order in which they asked.
 *
 * 1. A key is in the map exactly while somebody holds it; its list names those that wait.
 */
import assert from 'node:assert/strict'
import type { Env, Timer } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { blockChangeDeadlineMs, maxBlockChangesQueued } from '../../network/limits.ts'
import type { Key } from '../metadata/contract.ts'

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  readonly timer: Timer
}

export class BlockLocks {
  readonly #timers: Env['timers']
  readonly #held = new Map<Key, Waiter[]>()
  #closed = false

  constructor(timers: Env['timers']) {
    this.#timers = timers
  }

  /**
   * @returns null when the block was free and is now held; else resolves when it is.
   * @throws ClusterError OVERLOADED, TIMEOUT, CLOSED.
   */
  acquire(key: Key): Promise<void> | null {
    const waiters = this.#held.get(key)
    if (!waiters) {
      this.#held.set(key, [])
      return null
    }
    if (waiters.length >= maxBlockChangesQueued) {
      throw new ClusterError('OVERLOADED', 'too many changes of one block')
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = this.#timers.after(blockChangeDeadlineMs, () => {
      waiters.splice(waiters.indexOf(waiter), 1)
      reject(new ClusterError('TIMEOUT', 'an earlier change of the block has not ended'))
    })
    const waiter: Waiter = { resolve, reject, timer }
    waiters.push(waiter)
    return promise
  }

  release(key: Key): void {
    const waiters = this.#held.get(key)
    assert(waiters, 'released a block that nobody holds')
    const next = this.#closed ? undefined : waiters.shift()
    if (!next) {
      this.#held.delete(key)
      return
    }
    next.timer.cancel()
    next.resolve()
  }

  /** Those who wait are turned away; those who hold a block still release it. */
  close(): void {
    this.#closed = true
    for (const waiters of this.#held.values()) {
      for (const waiter of waiters.splice(0)) {
        waiter.timer.cancel()
        waiter.reject(new ClusterError('CLOSED', 'block store'))
      }
    }
  }
}
