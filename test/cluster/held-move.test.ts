/** Partitions that are to go to a server that has joined, and cannot be read whole. */
import test from 'ava'
import { place } from '../../network/placement/placement.ts'
import { isDirectory } from '../../network/wire/attributes.ts'
import { inoOfKey, keyKind, partitionOfKey } from '../../server/metadata/keys.ts'
import { Disks, isClean } from './damaged-cluster.ts'
import { eventually } from './eventually.ts'
import { InProcessCluster } from './in-process.ts'

const partitionCount = 4
const directories = 16

test('moves whose source is damaged wait until fsck has repaired it, and then come to their end', async t => {
  await using cluster = await InProcessCluster.start(1, undefined, partitionCount)
  const files = await cluster.connect()
  for (let index = 0; index < directories; index++) {
    await files.mkdir(`/d${index}`)
    await files.writeFile(`/d${index}/file`, `content ${index}`)
  }
  let damaged = 0
  await cluster.damage(async hands => {
    const disks = await Disks.read(hands)
    const seen = new Set<number>()
    for (const key of disks.keysOf(keyKind.inode)) {
      const partition = partitionOfKey(key)
      if (isDirectory(disks.inode(inoOfKey(key)).mode) || seen.has(partition)) continue
      seen.add(partition)
      disks.decay(key)
    }
    damaged = seen.size
  })
  t.is(damaged, partitionCount)
  await cluster.addServer()
  const client = await cluster.client()
  const [source] = client.servers()
  const held = async () => {
    const { copies = [] } = (await client.ask('serverStatus', source!, {})).body.report
    return copies.filter(copy => copy.held !== undefined).map(({ partition }) => partition)
  }
  /** Its share, which is about two of four. */
  const share = () => {
    const { members, replicaCount } = client.view
    const servers = members.filter(({ role }) => role === 'server')
    const wanted = place({ members: servers, partitionCount, replicaCount })
    return wanted.filter(([holder]) => holder !== source).length
  }
  // None of them holds another one up.
  await eventually('all copies are held up', async () => {
    return share() > 0 && (await held()).length === share()
  })
  const { findings } = await cluster.check({ repair: true })
  t.deepEqual(
    findings.filter(({ outcome }) => outcome !== 'repaired'),
    [],
  )
  await eventually('they are served by the new server', () => client.servers().length === 2)
  await eventually('nothing is held up', async () => (await held()).length === 0)
  await isClean(t, cluster)
  for (let index = 0; index < directories; index++) {
    t.is(await files.readFile(`/d${index}/file`, 'utf8'), `content ${index}`)
  }
})
