import test from 'ava'
import { sessionTimeoutMs } from '../../../network/limits.ts'
import { fileType } from '../../../network/wire/attributes.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../../network/wire/ids.ts'
import { inodeKey } from '../../metadata/keys.ts'
import { faultsIn } from '../../testing/checker.ts'
import { client, TestCluster } from '../../testing/cluster.ts'
import { link, makeDirectory, remove } from '../../testing/tree.ts'

/** /a in partition 1 and /b in partition 2, on different servers whose grace is over. */
async function makeWorld() {
  const cluster = new TestCluster({ servers: 2, partitions: 4 })
  await cluster.start()
  const a = await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 1, 'a'))
  const b = await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 2, 'b'))
  await cluster.env.advance(2 * sessionTimeoutMs)
  for (const server of cluster.servers.values()) server.sessions.renew(client, [])
  return { cluster, a, b }
}

async function makeTemporary(cluster: TestCluster, parent: Ino, linkable = true) {
  const mode = fileType.regular | 0o666
  const request = { parent, mode, umask: 0o022, uid: 1, gid: 2, linkable }
  const made = cluster.mutate('createTemporary', partitionOfIno(parent), request)
  return (await cluster.passing(made)).body.attributes
}

function exists(cluster: TestCluster, ino: Ino): boolean {
  const key = inodeKey(partitionOfIno(ino), ino)
  return [...cluster.contents.values()].some(contents => contents.has(key))
}

test('a temporary file has no links, and goes when the client that has it open is gone', async t => {
  const { cluster, a } = await makeWorld()
  const made = await makeTemporary(cluster, a)
  t.like(made, { mode: 0o100644, nlink: 0, uid: 1, gid: 2, size: 0 })
  t.true(exists(cluster, made.ino))
  t.deepEqual(faultsIn(cluster.contents.values()), [])
  await cluster.env.advance(2 * sessionTimeoutMs)
  t.false(exists(cluster, made.ino))
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})

test('a temporary file gets a name in another partition, and stays then', async t => {
  const { cluster, a, b } = await makeWorld()
  const { ino } = await makeTemporary(cluster, a)
  await cluster.passing(link(cluster, [b, 'name'], ino))
  await cluster.env.advance(2 * sessionTimeoutMs)
  t.true(exists(cluster, ino))
  const found = await cluster.passing(cluster.ask('getattr', partitionOfIno(ino), { ino }))
  t.is(found.body.attributes.nlink, 1)
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})

test('no name is given to a temporary file that is to have none, or that has lost its only one', async t => {
  const { cluster, a, b } = await makeWorld()
  const exclusive = await makeTemporary(cluster, a, false)
  const never = cluster.passing(link(cluster, [b, 'never'], exclusive.ino))
  await t.throwsAsync(never, { message: /ENOENT/ })
  const { ino } = await makeTemporary(cluster, a)
  await cluster.passing(link(cluster, [b, 'once'], ino))
  await cluster.passing(remove(cluster, 'unlink', b, 'once'))
  await cluster.env.advance(1)
  t.true(exists(cluster, ino), 'it is open')
  const twice = cluster.passing(link(cluster, [b, 'twice'], ino))
  await t.throwsAsync(twice, { message: /ENOENT/ })
  await cluster.env.advance(3_000)
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})

test('what is no regular file does not begin without a name', async t => {
  const { cluster, a } = await makeWorld()
  const request = { parent: a, umask: 0, uid: 0, gid: 0, linkable: true }
  const mode = fileType.fifo | 0o600
  const made = cluster.mutate('createTemporary', partitionOfIno(a), { ...request, mode })
  await t.throwsAsync(cluster.passing(made), { message: /EINVAL/ })
})
