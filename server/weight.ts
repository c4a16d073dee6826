/** A server's share by default: as much as its disk is large. */
import { statfs } from 'node:fs/promises'

const gibibyte = 2 ** 30

/** Size of the disk in GiB, to two digits: a partition table that is a little larger moves nothing. */
export async function weightOf(dataDirectory: string): Promise<number> {
  const { blocks, bsize } = await statfs(dataDirectory)
  return weightOfBytes(blocks * bsize)
}

/** Above 0, also for a disk that tells no size. */
export function weightOfBytes(bytes: number): number {
  return Math.max(0.001, Number((bytes / gibibyte).toPrecision(2)))
}
