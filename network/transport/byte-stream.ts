/** What frames travel on, whatever the fabric: bytes in order both ways, each way ended apart. */

/** Receives what a stream says. None of the functions may throw. */
export interface ByteStreamHandler {
  /** The bytes belong to the receiver. */
  received(bytes: Uint8Array): void
  /**
   * Where the next bytes may be put, in place of memory of the stream's own; null: anywhere. What was put at its beginning is
   * told by `filled`, before anything else is received or room is asked for again.
   */
  room(): Uint8Array | null
  filled(bytes: number): void
  /** The other side writes no more; everything it wrote was received. */
  ended(): void
  failed(cause: unknown): void
  /** Called once, last, however the stream came to its end. */
  closed(): void
}

/** Says nothing to its handler before `resume`, but that it failed or closed. */
export interface ByteStream {
  /** What is `sent` gets there though this process ends at any moment. */
  readonly outlivesProcess: boolean
  /** To be called once, in the tick that made the stream. */
  attach(handler: ByteStreamHandler): void
  /**
   * Writes pieces in order, in one system call where the fabric can. `sent` is called when they have left, or
   * with an error when they will not; they must not change before.
   */
  write(pieces: readonly Uint8Array[], sent: (error?: Error | null) => void): void
  /** Ends this side's way when what was written has left. */
  end(): void
  resume(): void
  /** Drops what waits in both directions and closes at once. */
  destroy(): void
}
