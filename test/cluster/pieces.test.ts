/** Pieces of one file that two writers of one client leave apart: what one call takes of a block, and that none is lost. */
import test, { type ExecutionContext } from 'ava'
import { contextOf } from '../../client/fs/context.ts'
import type { FileSystem, OpenFile } from '../../client/fs/contract.ts'
import { openVolume } from '../../client/fs/volume.ts'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { eventually } from './eventually.ts'
import { InProcessCluster } from './in-process.ts'

const me = { uid: 0, gid: 0 }
const MiB = 2 ** 20
const pieceBytes = 47_008

/** A file that its client is leased for writing; how often it has called for blocks to be written. */
async function setUp(servers: InProcessCluster) {
  const cluster = await servers.client()
  const fs = await openVolume(cluster, 'test', { isSole: true })
  const options = { exclusive: true, truncate: false }
  const { file } = await fs.create(fs.root, Buffer.from('f'), 0o644, me, options)
  const { behind } = contextOf(cluster)
  await eventually('the file is leased for writing', async () => {
    await fs.write(file, 0, Buffer.alloc(100_000, 1), {})
    return !behind.isEmpty
  })
  await fs.fsync(file.ino, file)
  let calls = 0
  const mutate = cluster.mutate.bind(cluster) as (...asked: readonly unknown[]) => Promise<unknown>
  const counting = (...asked: readonly unknown[]) => {
    if (asked[0] === 'writeBlock') calls++
    return mutate(...asked)
  }
  Object.assign(cluster, { mutate: counting })
  return { fs, file, calls: () => calls }
}

async function otherOf(servers: InProcessCluster, ino: number) {
  const fs = await openVolume(await servers.client(), 'test', { isSole: true })
  return { fs, file: await fs.open(ino, { truncate: false }) }
}

const read = async (fs: FileSystem, file: OpenFile, length: number) =>
  Buffer.concat(await fs.read(file, 0, length))

test('what two writers leave of a block goes in one call, and the rest of it in another', async t => {
  await using servers = await InProcessCluster.start(2)
  const { fs, file, calls } = await setUp(servers)
  const expected = Buffer.alloc(3 * MiB)
  expected.fill(1, 0, 100_000)
  for (const rank of [0, 1]) {
    const before = calls()
    for (let at = rank * pieceBytes; at + pieceBytes <= 2.5 * MiB; at += 2 * pieceBytes) {
      const data = Buffer.alloc(pieceBytes, 2 + (at % 250))
      expected.set(data, at)
      await fs.write(file, at, data, {})
    }
    await fs.fsync(file.ino, file)
    t.is(calls() - before, 3)
  }
  const { size } = await fs.getattr(file.ino)
  const other = await otherOf(servers, file.ino)
  t.true((await read(other.fs, other.file, size)).equals(expected.subarray(0, size)))
  t.deepEqual((await servers.check({ data: true })).findings, [])
})

for (const replicas of [1, 2]) {
  test(`random pieces and truncations are what others read, and sound: copies ${replicas}`, async t => {
    await using servers = await InProcessCluster.start(2, undefined, 64, replicas)
    await compare(t, servers)
    const { findings } = await servers.check({ data: true })
    t.deepEqual(findings, [])
  })
}

async function compare(t: ExecutionContext, servers: InProcessCluster): Promise<void> {
  const { fs, file, calls } = await setUp(servers)
  const seed = Number(process.env.PIECES_SEED ?? Date.now() % 2 ** 31)
  t.log(`PIECES_SEED=${seed}`)
  const { random } = new SimulatedEnv({ seed })
  const expected = Buffer.alloc(4 * MiB)
  expected.fill(1, 0, 100_000)
  let size = 100_000
  const turns = 400
  for (let turn = 0; turn < turns; turn++) {
    const kind = random.integer(40)
    const at = random.integer(3 * MiB)
    if (kind === 0) {
      size = random.integer(3.5 * MiB)
      await fs.setattr(file.ino, { size })
      expected.fill(0, size)
    } else if (kind === 1) {
      t.true((await read(fs, file, size)).equals(expected.subarray(0, size)), `${turn}`)
    } else if (kind === 2) await fs.fsync(file.ino, file)
    else {
      const data = random.bytes(1 + random.integer(kind < 20 ? 5_000 : 200_000))
      await fs.write(file, at, data, {})
      expected.set(data, at)
      size = Math.max(size, at + data.length)
    }
  }
  t.true((await read(fs, file, size)).equals(expected.subarray(0, size)))
  const other = await otherOf(servers, file.ino)
  t.is((await other.fs.getattr(file.ino)).size, size)
  t.true((await read(other.fs, other.file, size)).equals(expected.subarray(0, size)))
  t.log(`${calls()} calls`)
  t.true(calls() < turns / 2, 'they were written behind')
}
