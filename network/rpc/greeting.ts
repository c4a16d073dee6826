/**
 * The first frames of a connection: hellos both ways and, where credentials are asked for, the proofs of a handshake
 * (network/admission). Whatever else comes first ends the connection.
 */
import type { Certificate, Credentials } from '../admission/contract.ts'
import { Handshake, readIntroduction } from '../admission/handshake.ts'
import type { NonceMemory } from '../admission/nonce-memory.ts'
import { Refusal } from '../admission/refusal.ts'
import type { Side } from '../admission/transcript.ts'
import type { Env } from '../env/env.ts'
import { ClusterError, PosixError } from '../errors.ts'
import { type Connection, type FrameHeader, frameKind } from '../transport/contract.ts'
import { decodeBody, decodeError, encodeBody, encodeError, fieldsOf } from '../wire/codec.ts'
import { type HelloRequest, operationNumbers } from '../wire/operations.ts'
import { checkExpected, checkHello, type Expected, readHello } from './hello.ts'

/** Who the peer is, as far as it was asked. */
export interface Greeted {
  readonly hello: HelloRequest
  readonly proven: Certificate | null
  readonly peerId: string | null
}

/** Takes the first frames: null while more are to come. Throws a ClusterError or PosixError to refuse the peer. */
export type Greeting = (header: FrameHeader, body: Uint8Array) => Greeted | null

export interface GreetingInit {
  readonly env: Env
  readonly connection: Connection
  readonly hello: HelloRequest
  readonly credentials: Credentials | undefined
}

/** Outside the numbers that calls get first: nothing else is in flight yet. */
const greetingCallId = 0

export interface DiallerGreetingInit extends GreetingInit {
  /** Whoever answers will do where it is not told. */
  readonly expected: Expected | undefined
}

/** Sends the hello. @returns what takes the answers. */
export function greetAsDialler(init: DiallerGreetingInit): Greeting {
  const { connection, hello, expected: wanted } = init
  const handshake = handshakeOf(init, 'dialler')
  let met: HelloRequest | null = null
  const say = (operation: number, body: unknown) => {
    const kind = frameKind.request
    const header = { callId: greetingCallId, kind, operation, partition: 0, epoch: 0 }
    connection.send(header, encodeBody(body))
  }
  say(operationNumbers.hello, { ...hello, introduction: handshake?.introduction ?? null })
  return (header, body) => {
    const expected = met === null ? operationNumbers.hello : operationNumbers.prove
    const answer = answerTo(expected, header, body, met !== null)
    if (met !== null) return greeted(met, handshake)
    const other = readHello(answer)
    checkHello(hello, other)
    if (wanted !== undefined) checkExpected(wanted, other)
    if (handshake === null) return greeted(other, null)
    const { introduction, proof } = fieldsOf(answer)
    handshake.meet(other, introduction)
    handshake.check(bytesOf(proof))
    say(operationNumbers.prove, { proof: handshake.proof() })
    met = other
    return null
  }
}

export interface ListenerGreetingInit extends Omit<GreetingInit, 'hello'> {
  /** What this side says of itself; asked when a hello has come, since it may change. */
  readonly hello: () => HelloRequest
  readonly nonces: NonceMemory
  /** Throws to refuse a peer that has proven its key. */
  readonly admit: ((hello: HelloRequest) => void) | undefined
}

/** Answers a hello and checks the proof that follows; a peer that is refused has been told why. */
export function greetAsListener(init: ListenerGreetingInit): Greeting {
  const { connection, admit, nonces } = init
  let handshake: Handshake | null = null
  let met: HelloRequest | null = null

  function takeHello(header: FrameHeader, body: unknown): Greeted | null {
    const hello = init.hello()
    const other = readHello(body)
    checkHello(hello, other)
    handshake = handshakeOf({ ...init, hello }, 'listener')
    if (handshake === null) {
      admit?.(other)
      reply(header, hello)
      return greeted(other, null)
    }
    const { introduction } = fieldsOf(body)
    handshake.meet(other, introduction)
    if (!nonces.add(readIntroduction(introduction).nonce)) {
      throw new Refusal('replayed', 'this hello was said before')
    }
    const own = { introduction: handshake.introduction, proof: handshake.proof() }
    reply(header, { ...hello, ...own })
    met = other
    return null
  }

  function takeProof(header: FrameHeader, body: unknown, other: HelloRequest): Greeted {
    handshake?.check(bytesOf(fieldsOf(body).proof))
    admit?.(other)
    reply(header, {})
    return greeted(other, handshake)
  }

  function reply(header: FrameHeader, body: unknown): void {
    connection.send({ ...header, kind: frameKind.reply }, encodeBody(body))
  }

  return (header, body) => {
    const expected = met === null ? operationNumbers.hello : operationNumbers.prove
    if (header.kind !== frameKind.request || header.operation !== expected) throw noHello()
    try {
      const request = decodeBody(body)
      return met === null ? takeHello(header, request) : takeProof(header, request, met)
    } catch (error) {
      if (error instanceof ClusterError || error instanceof PosixError) {
        connection.send({ ...header, kind: frameKind.error }, encodeError(error))
      }
      throw error
    }
  }
}

function handshakeOf(init: GreetingInit, side: Side): Handshake | null {
  const { env, connection, hello, credentials } = init
  if (credentials === undefined) return null
  const { channel } = connection
  return new Handshake({ credentials, channel, random: env.random, side, hello })
}

function greeted(hello: HelloRequest, handshake: Handshake | null): Greeted {
  return { hello, proven: handshake?.proven ?? null, peerId: handshake?.peerId ?? null }
}

function answerTo(
  expected: number,
  header: FrameHeader,
  body: Uint8Array,
  isProven: boolean,
): unknown {
  const { kind, operation, callId } = header
  if (operation !== expected || callId !== greetingCallId) throw noHello()
  if (kind === frameKind.error) throw isProven ? decodeError(body) : saidByStranger(body)
  if (kind !== frameKind.reply) {
    throw new ClusterError('MALFORMED', 'the first message is no answer to hello')
  }
  return decodeBody(body)
}

/** Whoever answers can say that this side was removed; only who has proven a key is to be believed that. */
function saidByStranger(body: Uint8Array): Error {
  const error = decodeError(body)
  if (!(error instanceof ClusterError && error.code === 'REMOVED')) return error
  return new ClusterError('NOT_ADMITTED', error.message)
}

function bytesOf(proof: unknown): Uint8Array {
  if (proof instanceof Uint8Array) return proof
  throw new Refusal('no_proof', 'the other side has proven no key')
}

function noHello(): ClusterError {
  return new ClusterError('MALFORMED', 'the first message is no hello')
}
