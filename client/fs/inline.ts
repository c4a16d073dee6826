/** Small files, whose data lies beside their inode and travels whole. */
import { PosixError } from '../../network/errors.ts'
import { checksumBytes, sameChecksums, writeChecksum } from '../../network/wire/checksum.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { OpenInode } from '../cache/open-inodes.ts'
import type { Payload } from '../cluster/contract.ts'
import type { Context } from './context.ts'

export function checksumOf(pieces: Payload): Uint8Array {
  const checksum = new Uint8Array(checksumBytes)
  writeChecksum(checksum, 0, pieces)
  return checksum
}

/** The data in one piece; null when it is not what was written. */
export function verifiedInline(payload: Payload, checksum: Uint8Array): Uint8Array | null {
  // Of no bytes there is nothing to verify; servers leave their checksum out.
  if (checksum.length === 0 && payload.every(piece => piece.length === 0)) return new Uint8Array(0)
  if (!sameChecksums(checksumOf(payload), checksum)) return null
  return payload.length === 1 ? payload[0]! : Buffer.concat(payload)
}

/** Fetches attributes, and the data when the file is inline. @throws PosixError EIO when it is corrupt. */
export async function fetchInline(context: Context, inode: OpenInode): Promise<void> {
  const { ino } = inode
  for (let attempt = 0; attempt < 2; attempt++) {
    const reply = await context.cluster.query('readInline', partitionOfIno(ino), { ino })
    const { attributes, inline, checksum } = reply.body
    if (!inline) return inode.learn(attributes)
    const data = verifiedInline(reply.payload, checksum)
    if (data !== null) return inode.learnInline(attributes, data)
  }
  throw new PosixError('EIO', `the data of file ${ino} does not match its checksum`)
}
