/** What an examination has before it: the request, the transaction that locks what it looks at, and this server. */
import { PosixError } from '../../network/errors.ts'
import { maxCheckDetailCharacters } from '../../network/limits.ts'
import type { Ino } from '../../network/wire/ids.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { ExamineReply, ExamineRequest, NamePlace } from '../../network/wire/operations.ts'
import type { KeyReader } from '../metadata/contract.ts'
import type { Partition } from '../partition/partition.ts'
import type { Coordinator, Transaction } from '../transactions/coordinator.ts'
import type { Participant } from '../transactions/participant.ts'
import { placeName } from '../transactions/place-name.ts'
import type { Inspected } from './legs.ts'
import type { Beholder } from './record-facts.ts'

export interface Scene {
  readonly transaction: Transaction
  readonly request: ExamineRequest
  readonly partition: Partition
  readonly coordinator: Coordinator
  readonly participant: Participant
  /** Of this partition, seen through a reader. */
  readonly beholder: (reader: KeyReader) => Beholder
}

export type Examination = (scene: Scene) => ExamineReply | Promise<ExamineReply>

export const sound: ExamineReply = { verdict: 'sound', detail: '' }
export const undecided: ExamineReply = { verdict: 'undecided', detail: '' }

export function faulty(detail: string): ExamineReply {
  return { verdict: 'faulty', detail: brief(detail) }
}

export function repaired(detail: string): ExamineReply {
  return { verdict: 'repaired', detail: brief(detail) }
}

export function lost(detail: string): ExamineReply {
  return { verdict: 'lost', detail: brief(detail) }
}

function brief(detail: string): string {
  const most = maxCheckDetailCharacters
  return detail.length <= most ? detail : `${detail.slice(0, most)} …`
}

/** null when there is none that can be read. It is locked from then on. */
export function inspect({ transaction }: Scene, ino: Ino): Promise<Inspected | null> {
  return transaction.run(partitionOfIno(ino), 'inspectInode', { ino })
}

/** What the partition counts of the directory is about to change. */
export async function doubt({ transaction }: Scene, ino: Ino, partition: number): Promise<void> {
  const home = partitionOfIno(ino)
  const { client } = transaction
  if (home !== partition) await transaction.ask('doubtTotals', home, { ino, partition, client })
}

export async function removeName(scene: Scene, place: NamePlace): Promise<void> {
  await scene.transaction.run(place.partition, 'removeName', place)
  await doubt(scene, place.directory, place.partition)
}

/** Puts what has no name into the refuge, under its number. @throws PosixError EEXIST, ENOENT. */
export async function takeIn(
  { transaction, request }: Scene,
  { ino, mode }: { readonly ino: Ino; readonly mode: number },
): Promise<void> {
  const parent = request.refuge
  if (parent === 0) throw new PosixError('ENOENT', 'there is no place for what has no name')
  const name = Buffer.from(`#${ino}`)
  const argument = { parent, name, moved: { ino, mode }, flags: noReplace }
  await placeName(transaction, argument)
}

const noReplace = 1
