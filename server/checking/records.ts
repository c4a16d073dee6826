/** Examinations of single records: what is wrong with one, or with it beside its inode, and how it is mended. */
import type { FaultCode } from '../../network/checking/faults.ts'
import { ClusterError } from '../../network/errors.ts'
import type { ExamineReply } from '../../network/wire/operations.ts'
import type { Key } from '../metadata/contract.ts'
import { encodeEntries } from '../metadata/entries.ts'
import {
  inoOfKey,
  keyKind,
  kindOfKey,
  orphanKey,
  partitionOfKey,
  transactionOfKey,
} from '../metadata/keys.ts'
import { encodeXattrs } from '../metadata/xattrs.ts'
import type { Batch } from '../partition/batch.ts'
import { writeInode } from '../partition/inodes.ts'
import type { OperationContext } from '../partition/operation.ts'
import { decodeDecision, decodeIntent } from '../transactions/records.ts'
import { mendInode } from './inode-rules.ts'
import { readableAt } from './legs.ts'
import { readableXattrs } from './readable-xattrs.ts'
import { type Beholder, besideOf, damageOf, soundEntries } from './record-facts.ts'
import { type Examination, faulty, lost, repaired, type Scene, sound, undecided } from './scene.ts'
import { decayed, getTolerantly } from './tolerant.ts'

/** @returns what was done; '' where nothing can be. */
type Mend = (context: OperationContext, key: Key, beholder: Beholder) => string

const mends: { readonly [F in FaultCode]?: Mend } = {
  'bad-inode': ({ batch, facts }, key, beholder) => {
    const ino = inoOfKey(key)
    const inode = readableAt(batch, ino)
    if (inode === undefined) return ''
    facts.gaveOut(ino)
    writeInode(batch, mendInode({ ...inode, change: inode.change + 1 }, besideOf(beholder, ino)))
    return 'its values were corrected'
  },
  'bad-entry': ({ batch }, key, { partitionCount }) => {
    const { sound } = soundEntries(key, getTolerantly(batch, key) ?? decayed, partitionCount)
    if (sound.length === 0) batch.delete(key)
    else batch.put(key, encodeEntries(sound))
    return `${sound.length} of its entries were kept`
  },
  'bad-record': remove,
  'stray-inline-data': remove,
  'bad-xattrs': ({ batch }, key) => {
    const kept = readableXattrs(getTolerantly(batch, key) ?? decayed)
    if (kept.size === 0) batch.delete(key)
    else batch.put(key, encodeXattrs(kept))
    return `${kept.size} of them were kept`
  },
  'stray-xattrs': remove,
  'orphan-record': ({ batch }, key) => {
    // The key may be that of the inode, which misses it.
    const ino = inoOfKey(key)
    const listed = orphanKey(partitionOfKey(key), ino)
    if (readableAt(batch, ino)?.nlink !== 0) return remove({ batch }, listed)
    batch.put(listed, new Uint8Array(0))
    return 'it was written again'
  },
  'cut-record': remove,
  'purge-record': remove,
}

function remove({ batch }: { readonly batch: Batch }, key: Key): string {
  batch.delete(key)
  return 'the record was removed'
}

export const record: Examination = scene => {
  const { transaction, request } = scene
  const key = keyIn(scene)
  return transaction.local((context): ExamineReply => {
    const beholder = scene.beholder(context.batch)
    const found = damageOf(beholder, key).filter(({ fault }) => fault === request.fault)
    if (found.length === 0) return sound
    const detail = found.map(damage => damage.detail).join(', ')
    const mend = mends[request.fault]
    const waits = request.fault === 'misplaced-record' && !request.repair
    if (mend === undefined) return waits ? faulty(detail) : lost(detail)
    if (!request.repair) return faulty(detail)
    const done = mend(context, key, beholder)
    return done === '' ? lost(detail) : repaired(done)
  })
}

/** With the record, a file that only counts no links, and has names, would be removed as soon as nobody has it open. */
export const orphanRecord: Examination = scene => {
  const { subject, names, change } = scene.request
  const inode = scene.transaction.local(({ batch }) => readableAt(batch, subject))
  if (inode?.nlink !== 0) return record(scene)
  if (names.length > 0) return sound
  return inode.change === change ? record(scene) : undecided
}

/** @throws ClusterError MALFORMED for a key of another partition. */
export function keyIn({ request, partition }: Scene): Key {
  const key = Buffer.from(request.key).toString('latin1')
  if (key.length > 2 && partitionOfKey(key) === partition.id) return key
  throw new ClusterError('MALFORMED', `no key of partition ${partition.id}`)
}

/** The caller has waited: whoever takes part in it has had the time to bring it to an end. */
export const stuckTransaction: Examination = async scene => {
  const { partition, request } = scene
  const key = keyIn(scene)
  const value = getTolerantly(partition.store, key)
  if (value === undefined) return sound
  const isPromise = kindOfKey(key) === keyKind.intent
  const id = transactionOfKey(key)
  const what = `the ${isPromise ? 'promise' : 'decision'} of transaction ${id}`
  if (!request.repair) return faulty(what)
  return isPromise ? await settlePromise(scene, key, value) : await tellAgain(scene, key, value)
}

async function settlePromise(scene: Scene, key: Key, value: Uint8Array): Promise<ExamineReply> {
  const { partition, participant, transaction } = scene
  const intent = decodedOrNull(decodeIntent, value)
  const id = transactionOfKey(key)
  if (intent === null) {
    await partition.stageMutations([{ key, value: null }])
    return repaired('it could not be read: it was dropped')
  }
  if (!isPartition(scene, intent.coordinator)) {
    await participant.settle(partition, id, intent, false)
    return repaired('nobody can decide it: it was aborted')
  }
  const { outcome } = (await transaction.ask('outcome', intent.coordinator, { transaction: id }))
    .body
  if (outcome === 'undecided') return undecided
  await participant.settle(partition, id, intent, outcome === 'committed')
  return repaired(`it was ${outcome}`)
}

async function tellAgain(scene: Scene, key: Key, value: Uint8Array): Promise<ExamineReply> {
  const { partition, coordinator } = scene
  const participants = decodedOrNull(decodeDecision, value) ?? []
  const known = participants.filter(participant => isPartition(scene, participant))
  await coordinator.tell(partition, transactionOfKey(key), known)
  return repaired(`its ${known.length} participants were told again`)
}

function isPartition({ transaction }: Scene, partition: number): boolean {
  return Number.isInteger(partition) && partition >= 0 && partition < transaction.partitionCount
}

function decodedOrNull<T>(decode: (record: Uint8Array) => T, record: Uint8Array): T | null {
  try {
    return decode(record)
  } catch {
    return null
  }
}
