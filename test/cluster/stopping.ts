/**
 * Stops a member's process in the middle of what it does: when a certain message is about to leave or has just
 * come, or when a certain batch is written. The member's own code knows nothing of it: its transports are wrapped,
 * and Level's `batch` is.
 */
import { writeSync } from 'node:fs'
import { AbstractLevel } from 'abstract-level'
import {
  type Connection,
  type ConnectionHandler,
  type FrameHeader,
  frameKind,
  type Refused,
  type Transport,
} from '../../network/transport/contract.ts'
import { type OperationName, operationNumbers } from '../../network/wire/operations.ts'
import { copyState } from '../../server/replication/copy-record.ts'

/** Where a process is to stop. */
export type StopPoint =
  | {
      readonly operation: OperationName
      readonly kind: 'request' | 'reply'
      /** Before it is sent, or before it is handled. */
      readonly when: 'sending' | 'receiving'
      /** Bytes that its body has somewhere. */
      readonly has?: string
      /** Which one, from 1 on. */
      readonly nth?: number
    }
  /** A copy that nobody wants: about to be marked, rows of it about to be deleted, all of them deleted. */
  | { readonly batch: 'mark' | 'rows' | 'forget' }

export class Stops {
  #point: StopPoint | null = null
  #seen = 0
  #marked = false

  constructor() {
    this.#watchBatches()
  }

  set point(point: StopPoint | null) {
    this.#point = point
    this.#seen = 0
    this.#marked = false
  }

  wrapped(transport: Transport): Transport {
    return {
      schemes: transport.schemes,
      listen: (address, accept, refused?: Refused) =>
        transport.listen(address, connection => accept(this.#watched(connection)), refused),
      dial: async (address, signal) => this.#watched(await transport.dial(address, signal)),
    }
  }

  #watched(connection: Connection): Connection {
    const passes = (when: 'sending' | 'receiving', header: FrameHeader, body: Uint8Array): void =>
      this.#passes(when, header, body)
    return {
      channel: connection.channel,
      remote: connection.remote,
      vouch: () => connection.vouch(),
      start(handler: ConnectionHandler) {
        connection.start({
          frame(header, body, payload) {
            passes('receiving', header, body)
            handler.frame(header, body, payload)
          },
          closed: error => handler.closed(error),
        })
      },
      send(header, body, payload) {
        passes('sending', header, body)
        return connection.send(header, body, payload)
      },
      get handsOver() {
        return connection.handsOver
      },
      handed: () => connection.handed(),
      drained: () => connection.drained(),
      close: () => connection.close(),
      abort: error => connection.abort(error),
    }
  }

  #passes(when: 'sending' | 'receiving', header: FrameHeader, body: Uint8Array): void {
    const point = this.#point
    if (point === null || 'batch' in point || point.when !== when) return
    if (header.operation !== operationNumbers[point.operation]) return
    if (header.kind !== frameKind[point.kind]) return
    if (point.has !== undefined && !Buffer.from(body).includes(point.has)) return
    this.#seen++
    if (this.#seen === (point.nth ?? 1)) this.#stop()
  }

  #watchBatches(): void {
    const writes = (operations: unknown): void => this.#writes(operations)
    const { batch } = AbstractLevel.prototype
    // Whatever it is called with is Level's own business.
    AbstractLevel.prototype.batch = function (this: unknown, ...args: unknown[]) {
      writes(args[0])
      return Reflect.apply(batch, this, args)
    } as typeof batch
  }

  #writes(operations: unknown): void {
    const point = this.#point
    if (point === null || !('batch' in point) || !Array.isArray(operations)) return
    const names = (operations as readonly BatchOperation[]).map(({ type, key, value }) => {
      const name = Buffer.from(key).toString('latin1')
      const isCopy = name.startsWith(copyKeys)
      if (isCopy && type === 'put' && value?.[0] === copyState.dropping) return 'mark'
      if (type === 'del') return isCopy ? 'forget' : 'rows'
      return 'other'
    })
    if (names.includes('mark')) this.#marked = true
    if (names.includes(point.batch) && this.#marked) this.#stop()
  }

  /** The parent hears of it before this process does anything more. */
  #stop(): void {
    this.#point = null
    writeSync(1, 'stopped\n')
    process.kill(process.pid, 'SIGSTOP')
  }
}

interface BatchOperation {
  readonly type: 'put' | 'del'
  readonly key: Uint8Array
  readonly value?: Uint8Array
}

/** As copy-record.ts has them. */
const copyKeys = '\xff\xff\xfec'
