/** A copy that cannot be made because something here is damaged: it waits until that was changed, or for a long while. */
import type { Timers } from '../../network/env/env.ts'
import { heldRetryMs, maxMemberTextBytes } from '../../network/limits.ts'
import type { Key } from '../metadata/contract.ts'
import type { DamagedSource } from './damaged-source.ts'

export class Hold {
  /** For people. */
  readonly reason: string
  readonly #key: Key
  readonly #changed = new AbortController()

  constructor({ key, message }: DamagedSource) {
    this.#key = key
    this.reason = message.replace(/^CHECKSUM: /, '').slice(0, maxMemberTextBytes)
  }

  /** These records were changed, or deleted: another attempt makes sense if it is among them. */
  changed(keys: readonly Key[]): void {
    if (keys.includes(this.#key)) this.#changed.abort()
  }

  /** Resolves when it is to be tried again, or when the signal comes. */
  async over(timers: Timers, ending: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([ending, this.#changed.signal])
    await timers.sleep(heldRetryMs, signal).catch(() => undefined)
  }
}
