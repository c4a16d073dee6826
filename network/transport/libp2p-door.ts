/**
 * The door of a libp2p listener: whoever comes in waits there from the first byte on, through the handshake of Noise, and
 * until somebody vouches for what it says on its stream. Noise proves a key, and anybody can make one.
 *
 * 1. `#arrived` holds those that have no stream yet.
 */
import type {
  ConnectionGater,
  Connection as Libp2pConnection,
  MultiaddrConnection,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { Refusal } from '../admission/refusal.ts'
import type { Env } from '../env/env.ts'
import type { ClusterError } from '../errors.ts'
import { secureDialDeadlineMs } from '../limits.ts'
import type { Refused } from './contract.ts'
import { Door, type Waiting } from './door.ts'

export class Libp2pDoor {
  readonly #door: Door
  readonly #refused: Refused | undefined
  /** By the address of the other end, which one connection has at a time. */
  readonly #arrived = new Map<string, Waiting>()

  constructor(env: Env, refused: Refused | undefined) {
    this.#door = new Door(env, secureDialDeadlineMs)
    this.#refused = refused
  }

  /** What libp2p asks of everybody who comes in, before anything else. */
  readonly gater: ConnectionGater = {
    denyInboundConnection: carrier => {
      this.#enter(carrier)
      return false
    },
  }

  /** Its stream is there, on which it is to prove who it is; undefined when it has had one before. */
  take({ remoteAddr }: Libp2pConnection): Waiting | undefined {
    const place = placeOf(remoteAddr)
    const waiting = this.#arrived.get(place)
    this.#arrived.delete(place)
    return waiting
  }

  #enter(carrier: MultiaddrConnection): void {
    const place = placeOf(carrier.remoteAddr)
    const turnAway = (error: ClusterError) => {
      this.#arrived.delete(place)
      carrier.abort(error)
      this.#refused?.(place, error)
    }
    const waiting = this.#door.enter(turnAway)
    this.#arrived.set(place, waiting)
    carrier.addEventListener('close', () => {
      waiting.end()
      if (this.#arrived.get(place) !== waiting) return
      this.#arrived.delete(place)
      this.#refused?.(place, new Refusal('no_proof', 'it went before it had said who it is'))
    })
  }
}

/** `/ip4/127.0.0.1/tcp/7400`, whether a peer is named behind it or not. */
function placeOf(address: Multiaddr): string {
  const [where, how] = address.getComponents()
  return `/${where?.name}/${where?.value}/${how?.name}/${how?.value}`
}
