/**
 * Syncs of one device, shared: who asks while one runs gets the next one together with all others.
 *
 * 1. After a failed sync the kernel may have dropped what it could not write, and a later sync would
 *    pass over it: so the first failure is final, until the store is opened anew and has looked (recovery.ts).
 * 2. Changes are numbered as their data comes to be on the device: a sync covers exactly those that
 *    were numbered before it began.
 * 3. When much was written since the last sync began, the next one begins by itself: who asks for one
 *    later waits only for what came since.
 */
import { ClusterError } from '../../network/errors.ts'
import { earlySyncBytes } from '../../network/limits.ts'
import type { Device } from '../device/contract.ts'
import type { SyncProgress } from './fallback.ts'

export class SharedSync implements SyncProgress {
  readonly #device: Device
  /** At first too: an earlier process may have ended without a sync of what it wrote. */
  #dirty = true
  #running = false
  #next: PromiseWithResolvers<void> | null = null
  #failure: unknown = null
  #unsyncedBytes = 0
  #written: number
  #syncing: number
  #synced: number

  /** What an earlier process left behind: changes up to `synced` are on the disk, `newest` was the last. */
  constructor(device: Device, { synced, newest }: { synced: number; newest: number }) {
    this.#device = device
    this.#written = newest
    this.#syncing = synced
    this.#synced = synced
  }

  get synced(): number {
    return this.#synced
  }

  get syncing(): number {
    return this.#syncing
  }

  /** A change's data has been written. @returns the number of the change. */
  wrote(bytes: number): number {
    this.#dirty = true
    this.#unsyncedBytes += bytes
    const change = ++this.#written
    if (this.#unsyncedBytes >= earlySyncBytes && !this.#running) this.#syncEarly()
    return change
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

  /** Nobody waits for it: should it fail, every later call tells. */
  #syncEarly(): void {
    this.sync().catch(() => undefined)
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
    this.#unsyncedBytes = 0
    this.#syncing = this.#written
    await this.#device.sync()
    this.#synced = this.#syncing
  }
}
