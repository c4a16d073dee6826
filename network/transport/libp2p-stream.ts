/**
 * A stream of libp2p, multiplexed over one encrypted connection, as a stream of bytes.
 *
 * 1. One batch is on its way at a time; it has left when the stream's own buffer is empty.
 * 2. `closed` is never called within a call of ours.
 */
import type { Stream } from '@libp2p/interface'
import type { ByteStream, ByteStreamHandler } from './byte-stream.ts'

interface Batch {
  readonly pieces: readonly Uint8Array[]
  readonly sent: (error?: Error | null) => void
}

export class Libp2pStream implements ByteStream {
  /** Its muxer may have it yet. */
  readonly outlivesProcess = false
  readonly #stream: Stream
  readonly #waiting: Batch[] = []
  #leaving: Batch | undefined
  #handler: ByteStreamHandler | undefined
  #ending = false

  constructor(stream: Stream) {
    this.#stream = stream
    // What arrives early stays with libp2p, which stops the sender when its window is full.
    stream.pause()
    // Within its own event a stream takes neither more to send nor its end.
    stream.addEventListener('idle', () => process.nextTick(leftOf, this.#left))
  }

  attach(handler: ByteStreamHandler): void {
    this.#handler = handler
    const stream = this.#stream
    stream.addEventListener('message', ({ data }) => {
      if (data instanceof Uint8Array) handler.received(data)
      else for (const bytes of data) handler.received(bytes)
    })
    stream.addEventListener('end', () => {
      if (isWhole(stream)) handler.ended()
    })
    stream.addEventListener('close', ({ error }) => this.#closed(handler, error))
  }

  write(pieces: readonly Uint8Array[], sent: (error?: Error | null) => void): void {
    this.#waiting.push({ pieces, sent })
    this.#pump()
  }

  end(): void {
    this.#ending = true
    this.#pump()
  }

  resume(): void {
    if (this.#stream.readStatus === 'paused') this.#stream.resume()
  }

  destroy(): void {
    this.#stream.abort(new Error('aborted by this side'))
  }

  #pump(): void {
    while (this.#leaving === undefined) {
      const batch = this.#waiting.shift()
      if (batch === undefined) break
      try {
        for (const piece of batch.pieces) this.#stream.send(piece)
      } catch (error) {
        batch.sent(error instanceof Error ? error : new Error(String(error)))
        return
      }
      if (this.#stream.writeBufferLength > 0) this.#leaving = batch
      else batch.sent()
    }
    if (!this.#ending || this.#leaving !== undefined) return
    this.#ending = false
    this.#stream.close().catch(cause => this.#handler?.failed(cause))
  }

  readonly #left = (): void => {
    const batch = this.#leaving
    if (batch === undefined || this.#stream.writeBufferLength > 0) return
    this.#leaving = undefined
    batch.sent()
    this.#pump()
  }

  #drop(error: Error): void {
    const dropped = this.#leaving === undefined ? this.#waiting : [this.#leaving, ...this.#waiting]
    this.#leaving = undefined
    for (const { sent } of dropped) sent(error)
    this.#waiting.length = 0
  }

  #closed(handler: ByteStreamHandler, error: Error | undefined): void {
    process.nextTick(() => {
      this.#drop(error ?? new Error('the stream is closed'))
      if (error !== undefined) handler.failed(error)
      handler.closed()
    })
  }
}

function leftOf(left: () => void): void {
  left()
}

/** Whether what was read is all that was written: libp2p says 'end' of a broken stream as well. */
function isWhole({ status }: Stream): boolean {
  return status !== 'aborted' && status !== 'reset'
}
