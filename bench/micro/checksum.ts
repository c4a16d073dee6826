/** How fast data is checksummed: it happens where the client writes and reads, and on every server. */
import { chunkBytes } from '../../network/limits.ts'
import { checksum64, checksumsOf } from '../../network/wire/checksum.ts'
import { perSecond, printTable, type Row } from './table.ts'

export const name = 'checksum (xxHash64)'

export async function run(): Promise<Row[]> {
  const block = new Uint8Array(1 << 20).fill(3)
  const rows: Row[] = []
  for (const size of [64, 4096, chunkBytes]) {
    const rate = perSecond(() => checksum64(block.subarray(0, size)))
    rows.push({ what: `one piece of ${size} bytes`, value: (rate * size) / 2 ** 30, unit: 'GiB/s' })
  }
  for (const pieceBytes of [1 << 20, chunkBytes, 50_000]) {
    const pieces: Uint8Array[] = []
    for (let at = 0; at < block.length; at += pieceBytes) {
      pieces.push(block.subarray(at, at + pieceBytes))
    }
    const rate = perSecond(() => checksumsOf(pieces, 0, chunkBytes))
    const what = `a block of 1 MiB by chunk, in pieces of ${pieceBytes}`
    rows.push({ what, value: rate / 1024, unit: 'GiB/s' })
  }
  return rows
}

if (import.meta.main) printTable(name, await run())
