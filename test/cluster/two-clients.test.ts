/** Two clients that change the length of one file at once. */
import test from 'ava'
import type { FileSystem, OpenFile } from '../../client/fs/contract.ts'
import { InProcessCluster } from './in-process.ts'

const caller = { uid: 0, gid: 0 }
const how = { exclusive: true, truncate: false }
/** More than is appended in all, so that no file gets shorter. */
const holeBytes = 4 * 2 ** 20

const cluster = await InProcessCluster.start(2)
const [one, other] = [await cluster.openFileSystem(), await cluster.openFileSystem()]
test.after.always(() => cluster[Symbol.asyncDispose]())

/** How often each byte but 0 is in the file. */
async function countBytes(fs: FileSystem, file: OpenFile): Promise<Map<number, number>> {
  const counts = new Map<number, number>()
  for (let at = 0; ; ) {
    const data = await fs.seek(file, 'data', at).catch(() => null)
    if (data === null) return counts
    at = await fs.seek(file, 'hole', data)
    for (const byte of Buffer.concat(await fs.read(file, data, at - data))) {
      if (byte > 0) counts.set(byte, (counts.get(byte) ?? 0) + 1)
    }
  }
}

test('what is appended while another client makes holes at the end is there once', async t => {
  const { file } = await one.create(one.root, Buffer.from('file'), 0o100644, caller, how)
  const records = 100
  const recordBytes = 20_001
  await one.write(file, 0, Buffer.alloc(recordBytes), {})
  let appending = true
  let holes = 0
  const lengthen = async (): Promise<void> => {
    while (appending) {
      const { size } = await other.getattr(file.ino)
      await other.setattr(file.ino, { size: size + holeBytes })
      holes++
    }
  }
  const append = async (): Promise<void> => {
    for (let record = 1; record <= records; record++) {
      await one.write(file, 0, Buffer.alloc(recordBytes, record), { append: true })
    }
    appending = false
  }
  await Promise.all([append(), lengthen()])
  t.true(holes > 0)
  const expected = Array.from({ length: records }, (_, index) => [index + 1, recordBytes])
  t.deepEqual([...(await countBytes(one, file))], expected)
  one.release(file)
})
