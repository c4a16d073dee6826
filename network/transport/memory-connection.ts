/**
 * One end of a connection in memory.
 *
 * 1. What one end sends, the other gets in order: nothing is scheduled before what was scheduled earlier.
 * 2. `#unsentBytes` counts what the other end has not been handed yet, as a socket would.
 * 3. Bytes are copied on the way, so that no two endpoints share memory.
 */
import assert from 'node:assert/strict'
import type { Env } from '../env/env.ts'
import { ClusterError } from '../errors.ts'
import { sendHighWaterBytes, sendLimitBytes, shutdownDeadlineMs } from '../limits.ts'
import { checkLengths, headerBytes, payloadLength } from '../wire/framing.ts'
import {
  type Connection,
  type ConnectionHandler,
  type FrameHeader,
  openChannel,
} from './contract.ts'

/** What the network knows of a connection. */
export interface MemoryLink {
  readonly env: Env
  readonly local: string
  readonly other: string
  readonly remote: string
  delayMs(): number
  /** Whether a partition lies between the two now. */
  severed(): boolean
  /** Draws whether this frame breaks the connection. */
  lost(): boolean
  gone(): void
}

type State = 'open' | 'closing' | 'closed'

export class MemoryConnection implements Connection {
  readonly remote: string
  readonly channel = openChannel
  readonly #link: MemoryLink
  readonly #whenClosed = Promise.withResolvers<void>()
  #far: MemoryConnection | undefined
  #state: State = 'open'
  #handler: ConnectionHandler | undefined
  /** What arrived before the handler was there. */
  #kept: (() => void)[] = []
  #started = false
  #toldClosed = false
  /** What is on its way to the far end, first sent first. */
  readonly #travelling: (() => void)[] = []
  #lastArrivalMs = 0
  #silenced = false
  #unsentBytes = 0
  #drained: PromiseWithResolvers<void> | undefined
  #closedWith: ClusterError | undefined

  constructor(link: MemoryLink) {
    this.#link = link
    this.remote = link.remote
  }

  get local(): string {
    return this.#link.local
  }

  /** Whether a partition has swallowed something that this end sent. */
  get silenced(): boolean {
    return this.#silenced
  }

  links(a: string, b: string): boolean {
    const { local, other } = this.#link
    return (local === a && other === b) || (local === b && other === a)
  }

  join(far: MemoryConnection): void {
    this.#far = far
    far.#far = this
  }

  /** In one process nobody has to be kept off. */
  vouch(): void {}

  start(handler: ConnectionHandler): void {
    assert(this.#handler === undefined, 'a connection is started once')
    this.#handler = handler
    this.#link.env.timers.soon(() => {
      for (let event = this.#kept.shift(); event !== undefined; event = this.#kept.shift()) event()
      this.#started = true
      if (this.#state === 'closed') this.#tellClosed()
    })
  }

  send(header: FrameHeader, body: Uint8Array, payload: readonly Uint8Array[] = []): boolean {
    if (this.#state !== 'open') throw this.#closedError()
    const payloadBytes = payloadLength(payload)
    checkLengths(body.byteLength, payloadBytes)
    const bytes = headerBytes + body.byteLength + payloadBytes
    if (this.#unsentBytes + bytes > sendLimitBytes) {
      this.abort(new ClusterError('OVERLOADED', `${this.remote} does not read what it is sent`))
      throw this.#closedError()
    }
    this.#unsentBytes += bytes
    const frame = { ...header }
    // Not `slice`, which of a Buffer makes a view.
    const ownBody = new Uint8Array(body)
    const ownPayload = payload.map(piece => new Uint8Array(piece))
    this.#deliver(far => {
      this.#handed(bytes)
      far.#handler?.frame(frame, ownBody, ownPayload)
    })
    if (this.#link.lost()) this.break('was lost')
    return this.#unsentBytes <= sendHighWaterBytes
  }

  get handsOver(): boolean {
    return this.#state === 'open'
  }

  /** At once, as a kernel takes it: it travels on when this end crashes. */
  handed(): Promise<boolean> | null {
    return this.handsOver ? Promise.resolve(!this.#severed()) : null
  }

  drained(): Promise<void> {
    if (this.#state !== 'open') return Promise.reject(this.#closedError())
    if (this.#unsentBytes <= sendHighWaterBytes) return Promise.resolve()
    this.#drained ??= Promise.withResolvers()
    return this.#drained.promise
  }

  close(): Promise<void> {
    if (this.#state === 'open') this.#beginClose()
    return this.#whenClosed.promise
  }

  abort(error: ClusterError): void {
    if (this.#state === 'closed') return
    const far = this.#far
    this.#link.env.timers.soon(() => {
      if (far !== undefined) far.#lose(`${far.remote} broke the connection`)
    })
    this.#end(error)
  }

  /** Both ends lose it, as when a cable is pulled and the peers notice. */
  break(why: string): void {
    const far = this.#far
    const words = `the connection between ${this.#link.local} and ${this.#link.other} ${why}`
    this.#lose(words)
    if (far !== undefined) far.#lose(words)
  }

  /** The process at this end is gone: what it has sent arrives, and then the other end loses it. */
  crash(): void {
    const { local, other } = this.#link
    const words = `the connection between ${local} and ${other} crashed`
    const far = this.#far
    if (this.#severed() && far !== undefined) far.#lose(words)
    else this.#deliver(far => far.#lose(words))
    this.#lose(words)
  }

  #lose(words: string): void {
    if (this.#state !== 'closed') this.#end(new ClusterError('CLOSED', words))
  }

  #beginClose(): void {
    this.#state = 'closing'
    this.#rejectDrained()
    this.#deliver(far => far.#goodbye())
    const timer = this.#link.env.timers.after(shutdownDeadlineMs, () => {
      this.abort(new ClusterError('TIMEOUT', `${this.remote} did not take leave`))
    })
    this.#whenClosed.promise.then(() => timer.cancel())
  }

  #goodbye(): void {
    if (this.#state === 'open') this.#beginClose()
    this.#end(undefined)
  }

  /** Hands `event` to the far end after the delay, behind everything handed before. */
  #deliver(event: (far: MemoryConnection) => void): void {
    const { env } = this.#link
    if (this.#severed()) return
    const nowMs = env.clock.monotonicMs()
    const arrivalMs = Math.max(this.#lastArrivalMs, nowMs + this.#link.delayMs())
    this.#lastArrivalMs = arrivalMs
    const far = this.#far
    assert(far !== undefined, 'a connection has two ends')
    this.#travelling.push(() => {
      if (!this.#severed()) far.#arrive(() => event(far))
    })
    // Each arrival takes the first of those that travel, so timers of equal time cannot swap two.
    const arrive = () => this.#travelling.shift()?.()
    if (arrivalMs <= nowMs) env.timers.soon(arrive)
    else env.timers.after(arrivalMs - nowMs, arrive)
  }

  #severed(): boolean {
    if (this.#link.severed()) this.#silenced = true
    return this.#silenced
  }

  #arrive(event: () => void): void {
    if (this.#state === 'closed') return
    if (this.#started) event()
    else this.#kept.push(event)
  }

  #handed(bytes: number): void {
    this.#unsentBytes -= bytes
    if (this.#drained === undefined || this.#unsentBytes > sendHighWaterBytes) return
    this.#drained.resolve()
    this.#drained = undefined
  }

  #end(error: ClusterError | undefined): void {
    this.#state = 'closed'
    this.#closedWith = error
    this.#kept = []
    this.#rejectDrained()
    this.#link.gone()
    this.#link.env.timers.soon(() => {
      if (this.#started) this.#tellClosed()
      this.#whenClosed.resolve()
    })
  }

  #tellClosed(): void {
    if (this.#toldClosed) return
    this.#toldClosed = true
    this.#handler?.closed(this.#closedWith)
  }

  #rejectDrained(): void {
    this.#drained?.reject(this.#closedError())
    this.#drained = undefined
  }

  #closedError(): ClusterError {
    return new ClusterError('CLOSED', `the connection to ${this.remote} is closed`, {
      cause: this.#closedWith,
    })
  }
}
