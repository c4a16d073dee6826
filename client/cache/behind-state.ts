/** How a file that is open here stands with writing behind: whether it may be, and what has become of it (fs/write-behind.ts). */
export class BehindState {
  /** Writes that went to the servers since it was opened: one that is written again and again is to be written behind. */
  writesThrough = 0
  /** It is written through until then, of the monotonic clock. */
  throughUntilMs = Number.NEGATIVE_INFINITY
  /** Changes of its data, or size, that are on their way and were not written behind. */
  changing = 0
  /** Its `change` when this client was the only one to write it last, and the term of its lease then. */
  change = 0
  term: { readonly untilMs: number } | null = null
  /** Its server is asked whether what was written behind in a term that has ended may be sent. */
  resuming: Promise<void> | null = null
  /** Behind the last byte that was written behind to it. */
  end = 0
  /** Failures of what was written behind: each open file is to be told. */
  failures = 0
  failure: unknown = null

  /** Something that was written behind is lost. @param throughUntilMs nothing is written behind before. */
  failed(error: unknown, throughUntilMs: number): void {
    this.failures++
    this.failure = error
    this.throughUntilMs = throughUntilMs
  }
}
