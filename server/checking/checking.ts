/** What a server does for a check of the whole cluster: shows what it has, and looks again where it is told to. */
import { ClusterError } from '../../network/errors.ts'
import type { Handler, Incoming, Service } from '../../network/rpc/contract.ts'
import type {
  CheckInodeRequest,
  ExamineReply,
  ExamineRequest,
  OperationName,
} from '../../network/wire/operations.ts'
import type { BlockStore } from '../blocks/contract.ts'
import { parseBlockKey } from '../blocks/index.ts'
import type { KeyReader } from '../metadata/contract.ts'
import type { MetadataService } from '../partition/metadata-service.ts'
import { noPayload, type Operation } from '../partition/operation.ts'
import type { Partition } from '../partition/partition.ts'
import type { Coordinator, Script, Transaction } from '../transactions/coordinator.ts'
import type { Participant } from '../transactions/participant.ts'
import { examine, parseExamination } from './examine.ts'
import { readableAt } from './legs.ts'
import { dataPage, namesPage, readingProblem, scanPage } from './pages.ts'
import type { Beholder } from './record-facts.ts'
import { keyIn } from './records.ts'
import { lost, sound } from './scene.ts'
import { tolerant } from './tolerant.ts'

export interface CheckingInit {
  readonly partitionCount: number
  readonly blocks: BlockStore
}

interface Surroundings {
  readonly metadata: MetadataService
  readonly coordinator: Coordinator
  readonly participant: Participant
  /** @throws ClusterError */
  readonly admit: (incoming: Incoming<OperationName>) => Partition
}

/** Carries an answer out of a transaction that is not to be committed. */
class Unchanged extends Error {
  readonly reply: ExamineReply

  constructor(reply: ExamineReply) {
    super(reply.verdict)
    this.reply = reply
  }
}

export class Checking {
  readonly #init: CheckingInit

  constructor(init: CheckingInit) {
    this.#init = init
  }

  service(surroundings: Surroundings): Service {
    const { metadata, admit } = surroundings
    const { blocks, partitionCount } = this.#init
    return {
      checkScan: incoming => {
        const partition = admit(incoming)
        return scanPage(partition, this.#beholder(partition, partition.store), incoming.body)
      },
      checkNames: metadata.readAsync((partition, request) =>
        namesPage(partition, partitionCount, request),
      ),
      checkData: incoming => dataPage(admit(incoming), blocks, incoming.body),
      checkInode: metadata.look(checkInode),
      examine: this.#examining(surroundings),
    }
  }

  /** What changes nothing ends as a transaction that is aborted does: without a trace on any disk. */
  #examining(surroundings: Surroundings): Handler<'examine'> {
    const { metadata, admit } = surroundings
    return async incoming => {
      const partition = admit(incoming)
      const request = parseExamination(incoming.body)
      const script: Script<'examine'> = async transaction => {
        const body = await this.#examine(surroundings, partition, request, transaction)
        if (body.verdict !== 'repaired') throw new Unchanged(body)
        return { body, payload: noPayload }
      }
      try {
        return await metadata.transaction(script, { grows: false })(incoming)
      } catch (error) {
        if (error instanceof Unchanged) return { body: error.reply, payload: noPayload }
        throw error
      }
    }
  }

  async #examine(
    { coordinator, participant }: Surroundings,
    partition: Partition,
    request: ExamineRequest,
    transaction: Transaction,
  ): Promise<ExamineReply> {
    const { blocks } = this.#init
    const beholder = (reader: KeyReader) => this.#beholder(partition, reader)
    const scene = { transaction, request, partition, coordinator, participant, beholder }
    if (request.fault !== 'bad-data') return await examine(scene)
    const problem = await readingProblem(blocks, keyIn(scene))
    return problem === '' ? sound : lost(problem)
  }

  #beholder(partition: Partition, reader: KeyReader): Beholder {
    const { partitionCount, blocks } = this.#init
    const blockDamage: Beholder['blockDamage'] = key => blocks.damageOf(parseBlockKey(key))
    return { partition: partition.id, partitionCount, reader: tolerant(reader), blockDamage }
  }
}

const checkInode: Operation<'checkInode'> = ({ batch }, { ino }: CheckInodeRequest) => {
  if (!Number.isSafeInteger(ino) || ino < 0) throw new ClusterError('MALFORMED', `inode ${ino}`)
  const { mode = 0, nlink = 0, change = 0, parent = 0 } = readableAt(batch, ino) ?? {}
  return { body: { present: mode !== 0, mode, nlink, change, parent }, payload: noPayload }
}
