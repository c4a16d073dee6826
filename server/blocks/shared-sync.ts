/**
 * Syncs of one device, shared: who asks while one runs gets the next one together with all others.
 *
 * 1. After a failed sync the kernel may have dropped what it could not write, and a later sync would
 *    pass over it: so the first failure is final.
 */
import { ClusterError } from '../../network/errors.ts'
import type { Device } from '../device/contract.ts'

export class SharedSync {
  readonly #device: Device
  /** At first too: an earlier process may have ended without a sync of what it wrote. */
  #dirty = true
  #running = false
  #next: PromiseWithResolvers<void> | null = null
  #failure: unknown = null

  constructor(device: Device) {
    this.#device = device
  }

  /** A write has ended: the next sync has something to do. */
  wrote(): void {
    this.#dirty = true
  }

  /** Everything that `wrote` told of before the call is on the disk. */
  async sync(): Promise<void> {
    this.assertHealthy()
    if (!this.#running && !this.#dirty) return
    // A sync that runs already began before the caller's last writes ended.
    this.#next ??= Promise.withResolvers<void>()
    const { promise } = this.#next
    if (!this.#running) void this.#serve()
    return await promise
  }

  /** @throws ClusterError DISK once a sync has failed. */
  assertHealthy(): void {
    if (this.#failure === null) return
    const message = `${this.#device.name}: an earlier sync failed, what was written is uncertain`
    throw new ClusterError('DISK', message, { cause: this.#failure })
  }

  async #serve(): Promise<void> {
    this.#running = true
    while (this.#next) {
      const { resolve, reject } = this.#next
      this.#next = null
      try {
        await this.#run()
        resolve()
      } catch (error) {
        this.#failure = error
        reject(error)
      }
    }
    this.#running = false
  }

  async #run(): Promise<void> {
    this.assertHealthy()
    if (!this.#dirty) return
    this.#dirty = false
    await this.#device.sync()
  }
}
