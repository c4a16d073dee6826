/** Blocks as clients and other servers ask for them: each change is committed with its slot. */
import type { Env } from '../../network/env/env.ts'
import { ClusterError } from '../../network/errors.ts'
import { maxBlockBytes, purgeBatchBlocks } from '../../network/limits.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import type {
  CutBlocksRequest,
  ReadBlockRequest,
  WriteBlockRequest,
} from '../../network/wire/operations.ts'
import type { Key, KeyMutation } from '../metadata/contract.ts'
import { noPayload } from '../partition/operation.ts'
import type { Partition } from '../partition/partition.ts'
import type { Keep } from '../partition/slots.ts'
import type { BlockKey, BlockStore, StagedBlock } from './contract.ts'
import { blockKeyOf, blockRange, parseBlockKey } from './index.ts'
import { PurgedGenerations } from './purged-generations.ts'

const noChecksums = new Uint8Array(0)

export class BlockService {
  readonly #blocks: BlockStore
  readonly #purged: PurgedGenerations

  constructor(env: Env, blocks: BlockStore) {
    this.#blocks = blocks
    this.#purged = new PurgedGenerations(env)
  }

  async read(partition: Partition, request: ReadBlockRequest): Promise<Reply<'readBlock'>> {
    const key = keyOf(partition, request)
    checkRange(request.offset, request.length)
    const staged = partition.store.isStaged(blockKeyOf(key)) ? partition.store.settled() : null
    const data = await this.#blocks.read(key, request.offset, request.length)
    await staged
    if (data === null)
      return { body: { present: false, checksums: noChecksums }, payload: noPayload }
    return { body: { present: true, checksums: data.checksums }, payload: data.pieces }
  }

  async write(
    partition: Partition,
    request: WriteBlockRequest,
    payload: readonly Uint8Array[],
    keep: Keep<'writeBlock'>,
  ): Promise<Reply<'writeBlock'>> {
    const { offset, checksums } = request
    checkRange(offset, 0)
    const key = keyOf(partition, request)
    this.#purged.check(key)
    const staged = await this.#blocks.write(key, offset, payload, checksums)
    try {
      this.#purged.check(key)
    } catch (error) {
      staged.abandoned()
      throw error
    }
    const reply = { body: {}, payload: noPayload }
    await stage(partition, staged, [keep(reply)])
    return reply
  }

  /**
   * Cuts what this partition holds of the blocks named. Repeating it changes nothing, and is answered when
   * what an earlier attempt cut is committed.
   */
  async cut(partition: Partition, request: CutBlocksRequest): Promise<Reply<'cutBlocks'>> {
    const { ino, generation, block, offset, reach } = request
    if (request.purge) this.#purged.add(request)
    const [from, to] = blockRange(partition.id, ino, generation)
    let count = 0
    for await (const key of blocksIn(partition, from, to)) {
      const found = parseBlockKey(key)
      if (found.block < block || found.block >= reach) continue
      const change = await this.#blocks.cut(found, found.block === block ? offset : 0)
      if (change === null) continue
      // At once: a writer that holds the next block may wait for the space of this one.
      const committed = stage(partition, change, [])
      if (++count % purgeBatchBlocks === 0) await committed
    }
    await (request.durable ? partition.store.sync() : partition.store.settled())
    return { body: {}, payload: noPayload }
  }
}

/** Also those whose record is damaged. */
async function* blocksIn(partition: Partition, from: Key, to: Key): AsyncGenerator<Key> {
  const damaged: Key[] = []
  const onDamaged = (key: Key): void => void damaged.push(key)
  for await (const [key] of partition.store.range(from, to, { onDamaged })) yield key
  yield* damaged
}

/** The change is seen when this returns, and outlasts the process when the promise resolves. */
function stage(partition: Partition, change: StagedBlock, more: KeyMutation[]): Promise<void> {
  let committed: Promise<void>
  try {
    const { blockDelta, byteDelta } = change
    partition.facts.add({ inodes: 0, blocks: blockDelta, blockBytes: byteDelta })
    committed = partition.stageMutations([...change.mutations, ...more])
  } catch (error) {
    change.abandoned()
    throw error
  }
  change.staged()
  return committed
}

function keyOf(
  partition: Partition,
  { ino, generation, block }: Omit<BlockKey, 'partition'>,
): BlockKey {
  if (!Number.isSafeInteger(ino) || !Number.isSafeInteger(generation) || !(block >= 0)) {
    throw new ClusterError(
      'MALFORMED',
      `block ${block} of generation ${generation} of inode ${ino}`,
    )
  }
  return { partition: partition.id, ino, generation, block }
}

function checkRange(offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= maxBlockBytes) return
  throw new ClusterError('MALFORMED', `${length} bytes at ${offset} of a block`)
}
