/** Clients on a server's machine, whose large writes it fetches from their memory. */
import { readFile, writeFile } from 'node:fs/promises'
import test from 'ava'
import { canFetch, canFetchOthers } from '../../network/memory/fetching.test-support.ts'
import { hasFuse } from './fuse.ts'
import { firstBoot, InProcessCluster } from './in-process.ts'
import { makeCluster, type ProcessCluster } from './processes.ts'

const MiB = 1024 * 1024
const caller = { uid: 0, gid: 0 }
const name = Buffer.from('f')
const how = { exclusive: true, truncate: false }

/** Bytes that a process has read, from its sockets too. */
async function readBy(process: number | 'self'): Promise<number> {
  const counts = await readFile(`/proc/${process}/io`, 'latin1')
  return Number(/rchar: (\d+)/.exec(counts)?.[1])
}

/** One after the other: what this process reads meanwhile is counted. */
const fetching = canFetch ? test.serial : test.skip

fetching('what servers fetch is what others read, over restarts of theirs too', async t => {
  await using cluster = await InProcessCluster.start(2)
  const here = await cluster.openFileSystem(firstBoot)
  const there = await cluster.openFileSystem('elsewhere')
  const { file } = await here.create(here.root, name, 0o100644, caller, how)
  const synced = async (at: number, data: Buffer) => {
    await here.write(file, at, data, {})
    await here.fsync(file.ino, file)
  }
  // Some of it is with each server: what comes first on a connection is sent.
  for (const byte of [1, 2]) await synced(0, Buffer.alloc(12 * MiB, byte))
  const before = await readBy('self')
  await synced(0, Buffer.alloc(12 * MiB))
  const sent = (await readBy('self')) - before
  t.true(sent < MiB, `${sent} bytes of ${12 * MiB}`)
  const shadow = Buffer.alloc(12 * MiB)
  for (let round = 1; round <= 30; round++) {
    const at = (round * 7_368_787) % (8 * MiB)
    const data = shadow.subarray(at, at + ((round * 1_299_709) % (4 * MiB)))
    for (const index of data.keys()) data[index] = index * round
    // Whoever wrote it uses its memory for something else at once.
    const own = Buffer.from(data)
    await here.write(file, at, own, {})
    own.fill(0)
    if (round % 10 === 0) await cluster.restart(firstBoot)
  }
  await here.fsync(file.ino, file)
  const { ino, size } = await there.lookup(there.root, name)
  t.is(size, shadow.length)
  const read = await there.open(ino, { truncate: false })
  t.true(Buffer.concat(await there.read(read, 0, size)).equals(shadow))
})

/** Of the servers. */
async function readByServers(cluster: ProcessCluster): Promise<number> {
  let bytes = 0
  for (const role of ['server-1', 'server-2', 'server-3']) {
    bytes += await readBy(await cluster.pidOf(role))
  }
  return bytes
}

if (hasFuse && canFetchOthers) {
  test.serial('a mount sends the servers of its machine nothing of what is large', async t => {
    const cluster = await makeCluster(t, { servers: 3 })
    await cluster.up(t)
    const data = Buffer.alloc(64 * MiB, 7)
    await writeFile(`${cluster.mountpoint}/first`, data.subarray(0, 16 * MiB))
    const before = await readByServers(cluster)
    await writeFile(`${cluster.mountpoint}/file`, data)
    const sent = (await readByServers(cluster)) - before
    t.true(sent < data.length / 4, `${sent} bytes of ${data.length}`)
    t.true(data.equals(await readFile(`${cluster.mountpoint}/file`)))
  })
} else {
  const why = hasFuse ? 'lets no process read another' : 'has no /dev/fuse'
  test.skip(`a mount whose memory is read (this machine ${why})`, t => t.pass())
}
