/** What a directory hands down to a subdirectory, which lives in another partition. */
import test from 'ava'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { type Acl, aclTag, decodeAcl, encodeAcl, noId } from '../../network/wire/posix-acl.ts'
import type { MemberId } from '../../network/wire/view.ts'
import { accessAclName, defaultAclName } from '../../network/wire/xattr-names.ts'
import { faultsIn } from '../testing/checker.ts'
import { type Step, TestCluster } from '../testing/cluster.ts'
import { makeDirectory } from '../testing/tree.ts'

/** Full for the owner, `permissions` for a user, the mask and nobody else. */
function aclFor(user: number, permissions: number): Acl {
  return [
    { tag: aclTag.userObject, permissions: 7, id: noId },
    { tag: aclTag.user, permissions, id: user },
    { tag: aclTag.groupObject, permissions: 0, id: noId },
    { tag: aclTag.mask, permissions, id: noId },
    { tag: aclTag.other, permissions: 0, id: noId },
  ]
}

function setDefault(cluster: TestCluster, ino: Ino, acl: Acl): Promise<unknown> {
  const request = { ino, name: Buffer.from(defaultAclName), value: encodeAcl(acl), flags: 0 }
  return cluster.mutate('setxattr', partitionOfIno(ino), request)
}

async function aclOf(cluster: TestCluster, ino: Ino, name: string): Promise<Acl | null> {
  const asked = cluster.ask('getxattr', partitionOfIno(ino), { ino, name: Buffer.from(name) })
  return decodeAcl((await cluster.passing(asked)).body.value)
}

/** A directory in partition 1, and names in it for subdirectories in the partitions of another server. */
async function makeWorld(seed = 1) {
  const cluster = new TestCluster({ seed, servers: 2, partitions: 4 })
  await cluster.start()
  const name = cluster.nameIn(clusterRootIno, 1, 'parent')
  const parent = await makeDirectory(cluster, clusterRootIno, name)
  return { cluster, parent }
}

const request = { umask: 0o077, mode: 0o770, uid: 5, gid: 6 }

function mkdir(cluster: TestCluster, parent: Ino, name: string): Promise<Ino> {
  const made = cluster.mutate('mkdir', partitionOfIno(parent), {
    parent,
    name: Buffer.from(name),
    ...request,
  })
  return made.then(reply => reply.body.attributes.ino)
}

test('a subdirectory in another partition has its parent’s default ACL, and no umask taken off', async t => {
  const { cluster, parent } = await makeWorld()
  await cluster.passing(setDefault(cluster, parent, aclFor(7, 7)))
  for (const partition of [0, 1, 2, 3]) {
    const name = cluster.nameIn(parent, partition, `in-${partition}`)
    const made = await cluster.passing(mkdir(cluster, parent, Buffer.from(name).toString()))
    t.is(partitionOfIno(made), partition)
    t.deepEqual(await aclOf(cluster, made, defaultAclName), aclFor(7, 7))
    t.deepEqual(await aclOf(cluster, made, accessAclName), aclFor(7, 7))
    const asked = cluster.ask('getattr', partition, { ino: made })
    const { attributes } = (await cluster.passing(asked)).body
    t.like(attributes, { mode: 0o040770, xattrFlags: 3, uid: 5, gid: 6 })
  }
  await cluster.env.advance(3_000)
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})

test('of a mkdir and a new default ACL at a time, one is first', async t => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const { cluster, parent } = await makeWorld(seed)
    await cluster.passing(setDefault(cluster, parent, aclFor(7, 7)))
    const name = Buffer.from(cluster.nameIn(parent, 2, 'child')).toString()
    const both = Promise.all([
      mkdir(cluster, parent, name),
      cluster.env.timers.sleep(seed % 7).then(() => setDefault(cluster, parent, aclFor(8, 5))),
    ])
    const [made] = await cluster.passing(both)
    const inherited = await aclOf(cluster, made, defaultAclName)
    t.true([7, 8].includes(inherited?.[1]?.id ?? 0), `seed ${seed}`)
    t.deepEqual(await aclOf(cluster, made, accessAclName), inherited)
  }
})

test('a server that ends at any step of a mkdir leaves no directory without its ACLs', async t => {
  const steps: Step[] = []
  const first = await makeWorld()
  await first.cluster.passing(setDefault(first.cluster, first.parent, aclFor(7, 7)))
  first.cluster.onStep = step => steps.push(step)
  const name = Buffer.from(first.cluster.nameIn(first.parent, 2, 'child')).toString()
  await first.cluster.passing(mkdir(first.cluster, first.parent, name))
  t.true(steps.length > 3)

  for (const index of steps.keys()) {
    const { cluster, parent } = await makeWorld()
    await cluster.passing(setDefault(cluster, parent, aclFor(7, 7)))
    let seen = 0
    const ended: MemberId[] = []
    cluster.onStep = ({ server }) => {
      if (seen++ !== index) return
      ended.push(server)
      cluster.crash(server)
    }
    const making = mkdir(cluster, parent, name)
    const restarting = cluster.env.timers.sleep(50).then(async () => {
      for (const id of ended) await cluster.startServer(id)
    })
    const [made] = await cluster.passing(Promise.all([making, restarting]))
    const what = `step ${index} of ${steps.length}: ${steps[index]?.what}`
    t.deepEqual(await aclOf(cluster, made, defaultAclName), aclFor(7, 7), what)
    t.deepEqual(await aclOf(cluster, made, accessAclName), aclFor(7, 7), what)
    await cluster.env.advance(3_000)
    t.deepEqual(faultsIn(cluster.contents.values()), [], what)
  }
})
