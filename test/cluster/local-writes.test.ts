/** Clients on a server's machine, whose large writes it fetches from their memory. */
import { readFile, writeFile } from 'node:fs/promises'
import test from 'ava'
import { hasFuse } from './fuse.ts'
import { firstBoot, InProcessCluster } from './in-process.ts'
import { makeCluster, type ProcessCluster } from './processes.ts'

const MiB = 1024 * 1024
const caller = { uid: 0, gid: 0 }
const name = Buffer.from('f')
const how = { exclusive: true, truncate: false }

test('what is written where the server fetches it is what others read, over restarts of the servers too', async t => {
  await using cluster = await InProcessCluster.start(2)
  const here = await cluster.openFileSystem(firstBoot)
  const there = await cluster.openFileSystem('elsewhere')
  const { file } = await here.create(here.root, name, 0o100644, caller, how)
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
  const read = await there.open(ino, { truncate: false })
  t.true(Buffer.concat(await there.read(read, 0, size)).equals(shadow.subarray(0, size)))
})

/** What the servers were sent, and read. */
async function readByServers(cluster: ProcessCluster): Promise<number> {
  let bytes = 0
  for (const role of ['server-1', 'server-2', 'server-3']) {
    const counts = await readFile(`/proc/${await cluster.pidOf(role)}/io`, 'latin1')
    bytes += Number(/rchar: (\d+)/.exec(counts)?.[1])
  }
  return bytes
}

if (hasFuse) {
  test('a mount sends the servers of its machine nothing of what is large', async t => {
    const cluster = await makeCluster(t, { servers: 3 })
    await cluster.up(t)
    const data = Buffer.alloc(64 * MiB, 7)
    await writeFile(`${cluster.mountpoint}/first`, data.subarray(0, MiB))
    const before = await readByServers(cluster)
    await writeFile(`${cluster.mountpoint}/file`, data)
    const sent = (await readByServers(cluster)) - before
    t.true(sent < data.length / 4, `${sent} bytes of ${data.length}`)
    t.true(data.equals(await readFile(`${cluster.mountpoint}/file`)))
  })
} else test.skip('a mount that lends (this machine has no /dev/fuse)', t => t.pass())
