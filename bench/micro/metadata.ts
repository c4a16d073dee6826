/** The metadata store on disk, which seals each value with a checksum, against bare Level. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import { realEnv } from '../../network/env/real.ts'
import { openLevelStore } from '../../server/metadata/level.ts'
import { printTable, type Row } from './table.ts'

export const name = 'metadata store'

const { clock } = realEnv()
const records = 65_536
const batchRecords = 64
const rounds = 3
/** As long as an inode's record. */
const value = Buffer.alloc(112, 7)

interface Store {
  write(keys: readonly Buffer[]): Promise<void>
  read(key: Buffer): void
}

export async function run(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-bench-'))
  const level = new Level<Buffer, Uint8Array>(join(directory, 'bare'), {
    keyEncoding: 'buffer',
    valueEncoding: 'view',
  })
  const store = await openLevelStore(join(directory, 'store'))
  try {
    const bare = await measure({
      write: keys => level.batch(keys.map(key => ({ type: 'put', key, value }))),
      read: key => void level.getSync(key),
    })
    const stored = await measure({
      write: keys =>
        store.batch(
          keys.map(key => ({ key: key.toString('latin1'), value })),
          { sync: false },
        ),
      read: key => void store.get(key.toString('latin1')),
    })
    return stored.map((row, index) => ({
      ...row,
      against: { what: 'bare Level', value: bare[index]!.value },
    }))
  } finally {
    await Promise.all([level.close(), store.close()])
    await rm(directory, { recursive: true })
  }
}

async function measure(store: Store): Promise<Row[]> {
  const write = await best(async () => {
    for (let at = 0; at < records; at += batchRecords) {
      await store.write(Array.from({ length: batchRecords }, (_, index) => keyOf(at + index)))
    }
  })
  const read = await best(async () => {
    for (let at = 0; at < records; at++) store.read(keyOf((at * 7919) % records))
  })
  return [
    { what: 'write a record, 64 in a batch', value: write, unit: '/s' },
    { what: 'read a record', value: read, unit: '/s' },
  ]
}

async function best(round: () => Promise<void>): Promise<number> {
  let most = 0
  for (let index = 0; index < rounds; index++) {
    const startMs = clock.monotonicMs()
    await round()
    most = Math.max(most, (records * 1000) / (clock.monotonicMs() - startMs))
  }
  return Math.round(most)
}

/** As the key of an inode. */
function keyOf(index: number): Buffer {
  const key = Buffer.alloc(10, 0x69)
  key.writeUInt32BE(index, 6)
  return key
}

if (import.meta.main) printTable(name, await run())
