/**
 * Who was heard of when: heartbeats and their absence. Times are milliseconds of one monotonic clock,
 * given by the caller.
 *
 * 1. A member is alive from the moment it is heard of until it was silent for the timeout.
 * 2. Each change from alive to silent is reported once.
 */
import type { MemberId, MemberReport } from '../../network/wire/view.ts'

export interface Presence {
  readonly alive: boolean
  readonly silentMs: number
  readonly report: MemberReport | null
}

interface Entry {
  lastHeardMs: number
  alive: boolean
  report: MemberReport | null
}

export class Attendance {
  readonly #entries = new Map<MemberId, Entry>()
  readonly #sinceMs: number
  readonly #timeoutMs: number

  /** @param sinceMs since when anybody could have been heard. */
  constructor(options: { readonly sinceMs: number; readonly timeoutMs: number }) {
    this.#sinceMs = options.sinceMs
    this.#timeoutMs = options.timeoutMs
  }

  /**
   * @param report the last one stays when there is none.
   * @returns whether it was not alive before.
   */
  heard(id: MemberId, nowMs: number, report?: MemberReport | null): boolean {
    const entry = this.#entries.get(id)
    if (entry === undefined) {
      this.#entries.set(id, { lastHeardMs: nowMs, alive: true, report: report ?? null })
      return true
    }
    const returned = !entry.alive
    entry.lastHeardMs = nowMs
    entry.alive = true
    if (report != null) entry.report = report
    return returned
  }

  forget(id: MemberId): void {
    this.#entries.delete(id)
  }

  isAlive(id: MemberId, nowMs: number): boolean {
    const entry = this.#entries.get(id)
    return entry?.alive === true && nowMs - entry.lastHeardMs < this.#timeoutMs
  }

  presence(id: MemberId, nowMs: number): Presence {
    const entry = this.#entries.get(id)
    return {
      alive: this.isAlive(id, nowMs),
      silentMs: Math.round(nowMs - (entry?.lastHeardMs ?? this.#sinceMs)),
      report: entry?.report ?? null,
    }
  }

  /** @returns those that have fallen silent since the last time. */
  expire(nowMs: number): MemberId[] {
    const silent: MemberId[] = []
    for (const [id, entry] of this.#entries) {
      if (!entry.alive || nowMs - entry.lastHeardMs < this.#timeoutMs) continue
      entry.alive = false
      silent.push(id)
    }
    return silent
  }
}
