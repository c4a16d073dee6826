/** What the server that feeds a copy cannot read of its own: no attempt ends otherwise until that was changed. */
import { ClusterError } from '../../network/errors.ts'
import { parseBlockKey } from '../blocks/index.ts'
import { isLost } from '../blocks/reading.ts'
import type { Key } from '../metadata/contract.ts'
import { kindOfKey } from '../metadata/keys.ts'
import { isBlockKey } from './rows.ts'

export class DamagedSource extends ClusterError {
  /** Of the record, or of the block whose data it is. */
  readonly key: Key

  constructor(key: Key, message: string, options?: ErrorOptions) {
    super('CHECKSUM', message, options)
    this.key = key
  }
}

export function unreadable(key: Key): DamagedSource {
  const name = Buffer.from(key, 'latin1').toString('hex')
  const text = `${whatIs(key)} (${name}) cannot be read: 'rookery fsck --repair' repairs it`
  return new DamagedSource(key, text)
}

/** @returns what to throw where the data of a block was to be read: the error itself unless it says that the data is lost. */
export function unreadableData(key: Key, error: unknown): unknown {
  if (!isLost(error)) return error
  const { ino, block } = parseBlockKey(key)
  const text =
    `the data of block ${block} of inode ${ino} cannot be read: 'rookery fsck --data' names its file, which is ` +
    'to be replaced or removed'
  return new DamagedSource(key, text, { cause: error })
}

function whatIs(key: Key): string {
  if (!isBlockKey(key)) return `a record of kind ${kindOfKey(key)}`
  const { ino, block } = parseBlockKey(key)
  return `the record of block ${block} of inode ${ino}`
}
