/** The source of a copy between blocks: asked of whoever serves it, verified, and cut as the target is. */
import { ClusterError } from '../../network/errors.ts'
import { chunkBytes } from '../../network/limits.ts'
import { partitionOfBlock } from '../../network/placement/locate.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import { checksumsOf, sameChecksums } from '../../network/wire/checksum.ts'
import type { CopyBlockRequest, ReadBlockRequest } from '../../network/wire/operations.ts'
import { isPassing, type Peers } from '../peers.ts'

export interface SourceData {
  readonly pieces: readonly Uint8Array[]
  /** Of the pieces as they are cut at the target's chunk borders. */
  readonly checksums: Uint8Array
}

export class CopySources {
  readonly #peers: Pick<Peers, 'call'>
  readonly #partitionCount: number

  constructor(peers: Pick<Peers, 'call'>, partitionCount: number) {
    this.#peers = peers
    this.#partitionCount = partitionCount
  }

  /**
   * @returns null when there is no such block.
   * @throws ClusterError NOT_READY when its server cannot be asked now; CHECKSUM, DISK.
   */
  async read(request: CopyBlockRequest): Promise<SourceData | null> {
    const { sourceIno: ino, sourceGeneration: generation, sourceBlock: block, length } = request
    const offset = request.sourceOffset
    const partition = partitionOfBlock(ino, generation, block, this.#partitionCount)
    const asked = { ino, generation, block, offset, length }
    const { body, payload } = await this.#ask(partition, asked)
    if (!body.present) return null
    if (!sameChecksums(checksumsOf(payload, offset, chunkBytes), body.checksums)) {
      throw new ClusterError('CHECKSUM', `block ${block} of inode ${ino} was damaged on its way`)
    }
    const alike = (offset - request.offset) % chunkBytes === 0
    const checksums = alike ? body.checksums : checksumsOf(payload, request.offset, chunkBytes)
    return { pieces: payload, checksums }
  }

  async #ask(partition: number, request: ReadBlockRequest): Promise<Reply<'readBlock'>> {
    try {
      return await this.#peers.call('readBlock', partition, request)
    } catch (error) {
      // What is wrong with the way to the source is not wrong with the way to here.
      if (!isPassing(error)) throw error
      throw new ClusterError('NOT_READY', 'the source of a copy', { cause: error })
    }
  }
}
