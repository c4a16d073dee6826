/** A socket of node:net, TCP or Unix, as a stream of bytes. */
import type { Socket } from 'node:net'
import type { ByteStream, ByteStreamHandler } from './byte-stream.ts'

export class SocketStream implements ByteStream {
  readonly outlivesProcess = true
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /**
   * Node reads into fresh memory of at most 64 KiB and cuts it to size. Reading into larger slabs of our own
   * (`onread`) was no faster, and a small payload that somebody keeps would hold all of its slab.
   */
  attach(handler: ByteStreamHandler): void {
    this.#socket.on('data', (data: Buffer) =>
      handler.received(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
    )
    this.#socket.pause()
    this.#socket.on('end', () => handler.ended())
    this.#socket.on('error', cause => handler.failed(cause))
    this.#socket.on('close', () => handler.closed())
  }

  write(pieces: readonly Uint8Array[], sent: (error?: Error | null) => void): void {
    const last = pieces.length - 1
    if (last > 0) this.#socket.cork()
    for (let i = 0; i < last; i++) this.#socket.write(pieces[i]!)
    this.#socket.write(pieces[last]!, sent)
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
}
