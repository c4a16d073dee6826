/** The source of a copy between blocks: asked of whoever serves it, verified, and cut as the target is. */
import { ClusterError } from '../../network/errors.ts'
import { chunkBytes } from '../../network/limits.ts'
import { partitionOfBlock } from '../../network/placement/locate.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import {
  checksumBytes,
  checksumsOf,
  cutAtChunks,
  sameChecksums,
} from '../../network/wire/checksum.ts'
import type { CopyBlockRequest, ReadBlockRequest } from '../../network/wire/operations.ts'
import { isAbsent, isPassing, type Peers } from '../peers.ts'
import { lengthOf, zeros } from './writing.ts'

/** Part of what a target gets: data, or zeros that are to be a hole. Cut at the target's chunk borders. */
export interface CopiedRun {
  readonly offset: number
  readonly length: number
  readonly data: { readonly pieces: readonly Uint8Array[]; readonly checksums: Uint8Array } | null
}

export interface CopySource {
  /** Whether there is such a block. */
  readonly present: boolean
  /** At least one. */
  readonly runs: readonly CopiedRun[]
}

export class CopySources {
  readonly #peers: Pick<Peers, 'call'>
  readonly #partitionCount: number

  constructor(peers: Pick<Peers, 'call'>, partitionCount: number) {
    this.#peers = peers
    this.#partitionCount = partitionCount
  }

  /**
   * @throws ClusterError NOT_READY when its server cannot be asked now; CHECKSUM, DISK.
   */
  async read(request: CopyBlockRequest): Promise<CopySource> {
    const { sourceIno: ino, sourceGeneration: generation, sourceBlock: block, length } = request
    const offset = request.sourceOffset
    const partition = partitionOfBlock(ino, generation, block, this.#partitionCount)
    const asked = { ino, generation, block, offset, length }
    const { body, payload } = await this.#ask(partition, asked)
    if (!body.present)
      return { present: false, runs: [{ offset: request.offset, length, data: null }] }
    if (!sameChecksums(checksumsOf(payload, offset, chunkBytes), body.checksums)) {
      throw new ClusterError('CHECKSUM', `block ${block} of inode ${ino} was damaged on its way`)
    }
    const alike = (offset - request.offset) % chunkBytes === 0
    const checksums = alike ? body.checksums : checksumsOf(payload, request.offset, chunkBytes)
    return { present: true, runs: runsOf(payload, request.offset, checksums) }
  }

  async #ask(partition: number, request: ReadBlockRequest): Promise<Reply<'readBlock'>> {
    try {
      return await this.#peers.call('readBlock', partition, request)
    } catch (error) {
      // What is wrong with the way to the source is not wrong with the way to here.
      if (!isPassing(error) || isAbsent(error)) throw error
      throw new ClusterError('NOT_READY', 'the source of a copy', { cause: error })
    }
  }
}

/** Neighbouring chunks that are zeros, or are not, make one run. */
function runsOf(
  payload: readonly Uint8Array[],
  offset: number,
  checksums: Uint8Array,
): readonly CopiedRun[] {
  const chunks = cutAtChunks(payload, offset, chunkBytes)
  const runs: CopiedRun[] = []
  let at = offset
  for (let first = 0; first < chunks.length; ) {
    const hole = isZero(chunks[first]!)
    let end = first + 1
    while (end < chunks.length && isZero(chunks[end]!) === hole) end++
    const pieces = chunks.slice(first, end).flat()
    const length = lengthOf(pieces)
    const sums = checksums.subarray(first * checksumBytes, end * checksumBytes)
    runs.push({ offset: at, length, data: hole ? null : { pieces, checksums: sums } })
    at += length
    first = end
  }
  return runs
}

function isZero(pieces: readonly Uint8Array[]): boolean {
  return pieces.every(piece => Buffer.compare(piece, zeros.subarray(0, piece.length)) === 0)
}
