/**
 * Who was heard of when: heartbeats and their absence. Times are milliseconds of one monotonic clock,
 * given by the caller.
 *
 * 1. A member is alive from the moment it is heard of until it was silent for the timeout.
 * 2. Each change from alive to silent is reported once.
 */
import type { MemberId, MemberReport, Throughput } from '../../network/wire/view.ts'

export interface Presence {
  readonly alive: boolean
  readonly silentMs: number
  readonly report: MemberReport | null
  readonly throughput: Throughput | null
}

interface Entry {
  lastHeardMs: number
  alive: boolean
  report: MemberReport | null
  reportedMs: number
  throughput: Throughput | null
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
      this.#entries.set(id, {
        lastHeardMs: nowMs,
        alive: true,
        report: report ?? null,
        reportedMs: nowMs,
        throughput: null,
      })
      return true
    }
    const returned = !entry.alive
    entry.lastHeardMs = nowMs
    entry.alive = true
    if (report != null) {
      entry.throughput = throughputOf(entry.report, report, nowMs - entry.reportedMs)
      entry.report = report
      entry.reportedMs = nowMs
    }
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
      throughput: entry?.throughput ?? null,
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

/** null also when the member has started again: it counts from 0 then. */
function throughputOf(
  before: MemberReport | null,
  now: MemberReport,
  passedMs: number,
): Throughput | null {
  const readBytes = (now.readBytes ?? Number.NaN) - (before?.readBytes ?? Number.NaN)
  const writtenBytes = (now.writtenBytes ?? Number.NaN) - (before?.writtenBytes ?? Number.NaN)
  if (!(readBytes >= 0 && writtenBytes >= 0 && passedMs > 0)) return null
  const seconds = passedMs / 1000
  return { readBytes: readBytes / seconds, writtenBytes: writtenBytes / seconds }
}
