/** The way from one manager to etcd, for tests: it can be cut, and can lose an answer. */
import { connect, createServer, type Server, type Socket } from 'node:net'

export class Tunnel {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #cut = false
  #losing = false

  private constructor(server: Server) {
    this.#server = server
  }

  static async to(endpoint: string): Promise<Tunnel> {
    const server = createServer()
    const tunnel = new Tunnel(server)
    const [host, port] = endpoint.split(':')
    server.on('connection', socket => tunnel.#forward(socket, connect(Number(port), host)))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return tunnel
  }

  /** `HOST:PORT`. */
  get endpoint(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the tunnel is closed')
    return `127.0.0.1:${address.port}`
  }

  /** Nothing comes through any more, in either direction, and nobody is told. */
  cut(): void {
    this.#cut = true
  }

  /** What was under way is lost. */
  mend(): void {
    this.#cut = false
    this.#dropAll()
  }

  /** The next answer is lost, after what was asked has been done. */
  loseAnswer(): void {
    this.#losing = true
  }

  async close(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#dropAll()
    await closed
  }

  #forward(near: Socket, far: Socket): void {
    const drop = () => {
      for (const socket of [near, far]) {
        this.#sockets.delete(socket)
        socket.destroy()
      }
    }
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      // Only the other end has to know: its own connection breaks.
      socket.on('error', drop).on('close', drop)
    }
    near.on('data', bytes => {
      if (!this.#cut) far.write(bytes)
    })
    far.on('data', bytes => {
      if (this.#cut) return
      if (!this.#losing) {
        near.write(bytes)
        return
      }
      this.#losing = false
      drop()
    })
  }

  #dropAll(): void {
    for (const socket of [...this.#sockets]) socket.destroy()
  }
}
