/**
 * A socket of node:net, TCP or Unix, as a stream of bytes.
 *
 * 1. What the other side sent before it ended is received, though it does not read what it is sent any more. By itself
 *    Node drops it when a write fails.
 */
import type { OnReadOpts, Socket } from 'node:net'
import { socketScratchBytes } from '../limits.ts'
import type { ByteStream, ByteStreamHandler } from './byte-stream.ts'

/**
 * Has a socket read large payloads to where they stay, past Node's streams. What is not payload, or little, comes by way of
 * memory that is used again, and is copied: so nobody who keeps a little holds much.
 */
export class SocketIntake {
  readonly #scratch = new Uint8Array(socketScratchBytes)
  #room: Uint8Array | null = null
  #handler: ByteStreamHandler | undefined

  /** An option of the socket's constructor: Node takes it of sockets that are dialled only. */
  readonly onread: OnReadOpts = {
    buffer: () => {
      this.#room = this.#handler?.room() ?? null
      return this.#room ?? this.#scratch
    },
    callback: bytes => {
      if (this.#room === null) this.#handler?.received(this.#scratch.slice(0, bytes))
      else this.#handler?.filled(bytes)
      return true
    },
  }

  attach(handler: ByteStreamHandler): void {
    this.#handler = handler
  }
}

export class SocketStream implements ByteStream {
  readonly outlivesProcess: boolean
  readonly #socket: Socket
  readonly #intake: SocketIntake | undefined
  /** What the first write failed with. */
  #writeError: Error | null = null

  /**
   * @param outlivesProcess as `ByteStream` has it.
   * @param intake whose `onread` the socket was made with.
   */
  constructor(socket: Socket, outlivesProcess: boolean, intake?: SocketIntake) {
    this.#socket = socket
    this.outlivesProcess = outlivesProcess
    this.#intake = intake
    this.#keepReading()
  }

  /** Without an intake Node reads into fresh memory of at most 64 KiB and cuts it to size. */
  attach(handler: ByteStreamHandler): void {
    if (this.#intake) this.#intake.attach(handler)
    else {
      this.#socket.on('data', (data: Buffer) =>
        handler.received(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
      )
    }
    this.#socket.pause()
    this.#socket.on('end', () => handler.ended())
    this.#socket.on('error', cause => handler.failed(cause))
    this.#socket.on('close', () => handler.closed())
  }

  write(pieces: readonly Uint8Array[], sent: (error?: Error | null) => void): void {
    if (this.#writeError !== null) {
      sent(this.#writeError)
      return
    }
    const last = pieces.length - 1
    if (last > 0) this.#socket.cork()
    for (let i = 0; i < last; i++) this.#socket.write(pieces[i]!)
    this.#socket.write(pieces[last]!, error => sent(error ?? this.#writeError))
    if (last > 0) this.#socket.uncork()
  }

  end(): void {
    this.#socket.end()
  }

  resume(): void {
    this.#socket.resume()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** A write that fails does not fail the socket: reading ends by itself, with what is there to be read. */
  #keepReading(): void {
    const socket = this.#socket
    const { _write: write, _writev: writev } = socket
    const settling = (done: (error?: Error | null) => void) => (error?: Error | null) => {
      this.#writeError ??= error ?? null
      done()
    }
    socket._write = (chunk, encoding, done) => write.call(socket, chunk, encoding, settling(done))
    if (writev === undefined) return
    socket._writev = (chunks, done) => writev.call(socket, chunks, settling(done))
  }
}
