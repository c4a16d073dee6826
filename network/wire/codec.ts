/**
 * Bodies of frames: msgpack with the record structures of structures.ts. 64-bit times are bigints,
 * every other number (inode numbers too) is a number, bytes are `Uint8Array`.
 */
import { Packr, Unpackr } from 'msgpackr'
import { ClusterError, isClusterCode, isPosixCode, PosixError } from '../errors.ts'
import { maxMemberAddresses } from '../limits.ts'
import { structures } from './structures.ts'

/** msgpackr keeps state on the table it is given, so each instance gets its own copy. */
function table(): string[][] {
  return structures.map(fields => [...fields])
}

const options = {
  getStructures: table,
  // No room for more: a record that is not in the table is written as a map, so that nothing is learnt.
  maxSharedStructures: structures.length,
  maxOwnStructures: 0,
  mapsAsObjects: true,
  variableMapSize: true,
  int64AsType: 'bigint',
  // A name that somebody keeps must not keep alive the slab it was received in.
  copyBuffers: true,
  useToJSON: false,
} as const

const packr = new Packr(options)
const unpackr = new Unpackr(options)

/**
 * The bytes stay as they are: msgpackr writes one message behind the other into a buffer and takes a new
 * one when it is full, it never goes back.
 * @throws ClusterError MALFORMED when the value cannot be said in msgpack (a bigint beyond 64 bits).
 */
export function encodeBody(value: unknown): Uint8Array {
  try {
    return packr.pack(value)
  } catch (cause) {
    throw new ClusterError('MALFORMED', 'the message cannot be encoded', { cause })
  }
}

/**
 * Shares no memory with `bytes`.
 * @throws ClusterError MALFORMED
 */
export function decodeBody(bytes: Uint8Array): unknown {
  // Of a Buffer, msgpackr would make Buffers.
  const plain =
    bytes.constructor === Uint8Array
      ? bytes
      : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  try {
    return unpackr.unpack(plain)
  } catch (cause) {
    throw new ClusterError('MALFORMED', 'the body is not a message', { cause })
  }
}

/** Only the code and the words travel: a stack or a cause says too much of the machine it came from. */
export function encodeError(error: PosixError | ClusterError): Uint8Array {
  const prefix = `${error.code}: `
  const message = error.message.startsWith(prefix)
    ? error.message.slice(prefix.length)
    : error.message
  const told = { code: error.code, message: message === error.code ? '' : message }
  const instead = error instanceof ClusterError ? error.instead : []
  return encodeBody(instead.length > 0 ? { ...told, instead } : told)
}

/** A body that is no error of ours is one itself: MALFORMED. */
export function decodeError(bytes: Uint8Array): PosixError | ClusterError {
  let body: unknown
  try {
    body = decodeBody(bytes)
  } catch (error) {
    if (error instanceof ClusterError) return error
    throw error
  }
  const { code, message, instead } = fieldsOf(body)
  if (typeof code === 'string' && typeof message === 'string') {
    if (isPosixCode(code)) return new PosixError(code, message === '' ? undefined : message)
    if (isClusterCode(code))
      return new ClusterError(code, message, { instead: placesFrom(instead) })
  }
  return new ClusterError('MALFORMED', 'the error that the peer sent cannot be read')
}

/** Nothing rests on them: what makes no sense is left out. */
function placesFrom(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return []
  return value.filter(one => typeof one === 'string').slice(0, maxMemberAddresses)
}

/** The fields of a record from the wire, or none when it is something else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
