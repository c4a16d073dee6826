/** A channel without a kernel: tests put requests into its slots and read the replies as bytes. */
import assert from 'node:assert/strict'
import type { Env } from '../../network/env/env.ts'
import { realEnv } from '../../network/env/real.ts'
import type { CacheAuthority } from '../fs/contract.ts'
import type { Channel } from './channel.ts'
import { MemoryFileSystem, noCaching } from './memory-file-system.ts'
import { opcode } from './protocol/numbers.ts'
import { Session } from './session.ts'

export interface AnyReply {
  readonly length: number
  readonly error: number
  readonly unique: bigint
  readonly body: Buffer
}

const slots = 4

export class FakeChannel implements Channel {
  readonly slotBytes = 8192
  readonly pool = Buffer.alloc(slots * 8192)
  readonly replyBuffer = Buffer.alloc(256 * 1024)
  readonly notices: string[] = []
  /** Answers to requests whose slots had been given back. */
  readonly late: AnyReply[] = []
  answered = 0
  dropped = 0
  taken = 0
  failWith = 0
  /** Who asks. */
  uid = 0
  thread = 0
  #unique = 2n
  #last: AnyReply | null = null

  /** Sends a request and resolves to its answer. */
  async ask(
    session: Session,
    operation: number,
    node: number,
    body: readonly Uint8Array[],
  ): Promise<AnyReply> {
    this.#last = null
    const unique = this.send(session, operation, node, body)
    await this.settled()
    const reply = this.#last as AnyReply | null
    assert(reply !== null, 'no answer')
    assert.equal(reply.unique, unique)
    assert.equal(reply.length, reply.body.length + 16)
    return reply
  }

  send(session: Session, operation: number, node: number, body: readonly Uint8Array[]): bigint {
    this.sendRaw(session, operation, BigInt(node), Buffer.concat(body), 0)
    return this.#unique
  }

  /** @param cut bytes that the request is shorter than its header says. */
  sendRaw(session: Session, operation: number, node: bigint, body: Uint8Array, cut: number): void {
    const [slot] = [1]
    const at = slot * this.slotBytes
    const length = 40 + body.length
    this.#unique += 2n
    this.pool.writeUInt32LE(length, at)
    this.pool.writeUInt32LE(operation, at + 4)
    this.pool.writeBigUInt64LE(this.#unique, at + 8)
    this.pool.writeBigUInt64LE(node, at + 16)
    this.pool.writeUInt32LE(this.uid, at + 24)
    this.pool.writeUInt32LE(this.thread, at + 32)
    this.pool.set(body, at + 40)
    this.taken += 1
    session.serve(Uint32Array.of(slot, Math.max(0, length - cut)), 1)
  }

  async settled(): Promise<void> {
    for (let turn = 0; turn < 20 && this.taken > 0; turn += 1) await new Promise(setImmediate)
  }

  answer(_slot: number, length: number, pieces: readonly Uint8Array[] | null): number {
    const all = Buffer.concat([this.replyBuffer.subarray(0, length), ...(pieces ?? [])])
    this.#last = {
      length: all.readUInt32LE(0),
      error: all.readInt32LE(4),
      unique: all.readBigUInt64LE(8),
      body: all.subarray(16),
    }
    this.taken -= 1
    this.answered += 1
    return this.failWith
  }

  answerLate(length: number): number {
    const all = Buffer.from(this.replyBuffer.subarray(0, length))
    this.late.push({
      length: all.readUInt32LE(0),
      error: all.readInt32LE(4),
      unique: all.readBigUInt64LE(8),
      body: all.subarray(16),
    })
    return this.failWith
  }

  drop(): void {
    this.taken -= 1
    this.dropped += 1
  }

  async notify(message: Uint8Array): Promise<number> {
    this.notices.push(Buffer.from(message).toString('hex'))
    return 0
  }

  close(): void {}
}

/** What every clock of these tests says. */
export const wallNs = () => 1_700_000_000_123_456_789n

/** Time stands still: what the kernel may keep for a while it may keep however busy the machine is. */
function stillEnv(): Env {
  const env = realEnv()
  return { ...env, clock: { ...env.clock, monotonicMs: () => 0 } }
}

/** A session on a file system in memory, and what it says of itself. */
export function startSession(
  options: { cache?: CacheAuthority; fileSystem?: MemoryFileSystem; env?: Env } = {},
) {
  const cache = options.cache ?? noCaching
  const fileSystem = options.fileSystem ?? new MemoryFileSystem({ wallNs, cache })
  const channel = new FakeChannel()
  const unexpected: unknown[] = []
  const ready: (Error | null)[] = []
  const events = {
    onReady: (error: Error | null) => ready.push(error),
    onUnexpected: (error: unknown) => unexpected.push(error),
  }
  const { env = stillEnv() } = options
  const session = new Session(fileSystem, channel, events, true, null, env)
  return { fileSystem, channel, session, unexpected, ready }
}

export async function createFile(channel: FakeChannel, session: Session, name: string) {
  const body = [u32(0o102), u32(0o100644), u32(0o022), u32(0), text(name)]
  const reply = await channel.ask(session, opcode.create, 1, body)
  return { node: Number(reply.body.readBigUInt64LE(0)), handle: reply.body.readBigUInt64LE(128) }
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`)
}

/** Names and offsets in a reply to READDIR or READDIRPLUS. */
export function namesOf(
  reply: AnyReply,
  kind: 'readdir' | 'readdirplus',
): readonly { readonly name: string; readonly offset: bigint }[] {
  const names = []
  const before = kind === 'readdirplus' ? 128 : 0
  for (let at = 0; at < reply.body.length; ) {
    const record = at + before
    const length = reply.body.readUInt32LE(record + 16)
    const name = reply.body.toString('latin1', record + 24, record + 24 + length)
    names.push({ name, offset: reply.body.readBigUInt64LE(record + 8) })
    at = record + ((24 + length + 7) & ~7)
  }
  return names
}
