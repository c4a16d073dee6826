/** A transport that is loaded when it is first used: libp2p takes most of a second, and many processes need none. */
import type { Connection, Listener, Refused, Transport } from './contract.ts'

export class LateTransport implements Transport {
  readonly schemes: readonly string[]
  readonly #load: () => Promise<Transport>
  #loaded: Promise<Transport> | undefined

  constructor(schemes: readonly string[], load: () => Promise<Transport>) {
    this.schemes = schemes
    this.#load = load
  }

  async listen(
    address: string,
    accept: (connection: Connection) => void,
    refused?: Refused,
  ): Promise<Listener> {
    return (await this.#transport()).listen(address, accept, refused)
  }

  async dial(address: string, signal?: AbortSignal): Promise<Connection> {
    return (await this.#transport()).dial(address, signal)
  }

  #transport(): Promise<Transport> {
    this.#loaded ??= this.#load()
    return this.#loaded
  }
}
