/** Numbers that name things: inode numbers and the partitions inside them. Pure arithmetic. */
import { inoSequenceLimit } from '../limits.ts'

/** Inode number: `partition * 2^40 + sequence`, a safe integer; names its own partition for ever. */
export type Ino = number
export type Partition = number

/** The directory whose entries are the volumes: sequence 1 of partition 0, never shown to a program. */
export const clusterRootIno: Ino = 1

/** First sequence handed out to files; lower ones are kept for the format and for FUSE's root (1). */
export const firstSequence = 16

export function makeIno(partition: Partition, sequence: number): Ino {
  return partition * inoSequenceLimit + sequence
}

export function partitionOfIno(ino: Ino): Partition {
  return Math.floor(ino / inoSequenceLimit)
}
