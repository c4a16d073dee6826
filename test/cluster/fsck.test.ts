/** `rookery fsck` on clusters whose disks were damaged by hand: every fault is found, and repaired or told. */
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createVolume } from '../../client/fs/volumes.ts'
import { noRemains } from '../../network/checking/rules.ts'
import { chunkBytes, maxBlockBytes, minBlockBytes } from '../../network/limits.ts'
import { partitionOfBlock } from '../../network/placement/locate.ts'
import { fileType } from '../../network/wire/attributes.ts'
import { checksumsOf } from '../../network/wire/checksum.ts'
import { clusterRootIno, makeIno } from '../../network/wire/ids.ts'
import type { ExamineRequest, NamePlace } from '../../network/wire/operations.ts'
import { blockKeyOf, parseBlockKey } from '../../server/blocks/index.ts'
import { decodeRecord } from '../../server/blocks/record.ts'
import { cookieOf, encodeEntries } from '../../server/metadata/entries.ts'
import {
  decisionKey,
  entriesKey,
  hashOfEntriesKey,
  inlineKey,
  inodeKey,
  intentKey,
  orphanKey,
  purgeKey,
  xattrsKey,
} from '../../server/metadata/keys.ts'
import { encodeXattrs } from '../../server/metadata/xattrs.ts'
import { encodeDecision, encodeIntent } from '../../server/transactions/records.ts'
import { bytesOf, sameBytes } from '../posix/bytes.ts'
import {
  bigBytes,
  Disks,
  damageAndRepair,
  distinct,
  isClean,
  smallText,
  startFilled,
} from './damaged-cluster.ts'
import type { InProcessCluster } from './in-process.ts'

const partitionOf = (ino: number) => Math.floor(ino / 2 ** 40)
const garbage = Buffer.from('nothing that could be a record')

interface Case {
  readonly hand: (disks: Disks) => Promise<void>
  readonly faults: readonly string[]
  /** What is true after the repair. */
  readonly after?: (t: ExecutionContext, cluster: InProcessCluster) => Promise<void>
}

async function stillHasAll(t: ExecutionContext, cluster: InProcessCluster): Promise<void> {
  const files = await cluster.connect()
  t.is(await files.readFile('/outer/small', 'utf8'), smallText)
  t.is(await files.readFile('/other/linked', 'utf8'), 'linked')
  t.is(await files.readFile('/outer/linked-too', 'utf8'), 'linked')
  t.is((await files.stat('/other/linked')).nlink, 2)
  t.is(await files.readlink('/outer/symlink'), 'small')
  t.is(await files.readFile('/outer/inner/deep/leaf', 'utf8'), 'leaf')
  sameBytes(t, await files.readFile('/outer/inner/big'), bytesOf(1, bigBytes))
  t.is((await files.stat('/outer')).nlink, 3)
}

async function refuge(t: ExecutionContext, cluster: InProcessCluster): Promise<string[]> {
  const files = await cluster.connect('lost-found')
  const names = await files.readdir('/')
  t.true(names.every(name => /^#\d+$/.test(name)))
  return names
}

const cases: { readonly [title: string]: Case } = {
  'a file whose entry is gone is found in lost-found': {
    hand: disks => disks.changeEntry('small', null),
    faults: ['directory-count', 'nameless'],
    async after(t, cluster) {
      const [name] = await refuge(t, cluster)
      const files = await cluster.connect('lost-found')
      t.is(await files.readFile(`/${name}`, 'utf8'), smallText)
    },
  },
  'a small file whose inode is gone has its data under its name again': {
    async hand(disks) {
      const { ino } = disks.entry('small')
      await disks.put(inodeKey(partitionOf(ino), ino), null)
    },
    faults: ['dangling-entry', 'partition-count'],
    after: stillHasAll,
  },
  'a large file whose inode is gone is made again from its blocks': {
    async hand(disks) {
      const { ino } = disks.entry('big')
      await disks.put(inodeKey(partitionOf(ino), ino), null)
    },
    faults: ['dangling-entry', 'partition-count'],
    after: stillHasAll,
  },
  'a directory whose inode is gone is made again around its entries': {
    async hand(disks) {
      const { ino } = disks.entry('inner')
      await disks.put(inodeKey(partitionOf(ino), ino), null)
    },
    faults: ['dangling-entry', 'partition-count'],
    after: stillHasAll,
  },
  'an inode that cannot be read is made again': {
    async hand(disks) {
      const { ino } = disks.entry('big')
      await disks.put(inodeKey(partitionOf(ino), ino), garbage)
    },
    faults: ['dangling-entry'],
    after: stillHasAll,
  },
  'an inode that is gone with its name leaves its data in lost-found': {
    async hand(disks) {
      const { ino } = disks.entry('small')
      await disks.put(inodeKey(partitionOf(ino), ino), null)
      await disks.changeEntry('small', null)
    },
    faults: ['directory-count', 'lost-inode', 'partition-count'],
    async after(t, cluster) {
      const [name] = await refuge(t, cluster)
      const files = await cluster.connect('lost-found')
      t.is(await files.readFile(`/${name}`, 'utf8'), smallText)
    },
  },
  'a wrong count of links is corrected': {
    hand: disks => disks.changeInode(disks.entry('linked').ino, { nlink: 7 }),
    faults: ['link-count'],
    after: stillHasAll,
  },
  'a count of no links does not let a file with names be removed': {
    hand: disks => disks.changeInode(disks.entry('linked').ino, { nlink: 0 }),
    faults: ['link-count'],
    async after(t, cluster) {
      await stillHasAll(t, cluster)
      const { mode } = await (await cluster.connect()).stat('/other/linked')
      t.is(mode & 0o777, 0o666, 'it is the inode that it was')
    },
  },
  'a file without a name that is not listed as such is listed, and goes': {
    async hand(disks) {
      const { ino } = disks.entry('small')
      await disks.changeEntry('small', null)
      await disks.changeInode(ino, { nlink: 0 })
    },
    faults: ['directory-count', 'orphan-record'],
    async after(t, cluster) {
      const files = await cluster.connect('lost-found').catch(() => null)
      t.is(files, null, 'nothing was found that had not been removed')
    },
  },
  'an entry that leads nowhere is removed, and what it led to is in lost-found': {
    async hand(disks) {
      const { ino } = disks.entry('small')
      await disks.changeEntry('small', { ino: makeIno(partitionOf(ino), 999_999) })
    },
    faults: ['dangling-entry', 'nameless'],
    async after(t, cluster) {
      t.is((await refuge(t, cluster)).length, 1)
      const files = await cluster.connect()
      await t.throwsAsync(files.stat('/outer/small'), { code: 'ENOENT' })
    },
  },
  'an entry of another type than its inode is given that': {
    hand: disks => disks.changeEntry('small', { type: fileType.fifo }),
    faults: ['dangling-entry'],
    after: stillHasAll,
  },
  'a directory that is taken for a file is one again': {
    async hand(disks) {
      const { ino } = disks.entry('inner')
      await disks.changeInode(ino, { mode: fileType.regular | 0o755, nlink: 1 })
    },
    faults: ['bad-inode', 'dangling-entry', 'lost-inode'],
    after: stillHasAll,
  },
  'entries that cannot be read leave their files in lost-found': {
    hand: disks => disks.put(disks.entryKey('small'), garbage),
    faults: ['bad-entry', 'directory-count', 'nameless'],
    async after(t, cluster) {
      t.is((await refuge(t, cluster)).length, 1)
    },
  },
  'a directory without a name is found in lost-found with all that is in it': {
    hand: disks => disks.changeEntry('inner', null),
    faults: ['directory-count', 'nameless'],
    async after(t, cluster) {
      const [name] = await refuge(t, cluster)
      const files = await cluster.connect('lost-found')
      sameBytes(t, await files.readFile(`/${name}/big`), bytesOf(1, bigBytes))
      t.is(await files.readFile(`/${name}/deep/leaf`, 'utf8'), 'leaf')
    },
  },
  'a wrong parent is corrected': {
    hand: disks => disks.changeInode(disks.entry('deep').ino, { parent: disks.entry('other').ino }),
    faults: ['parent'],
    after: stillHasAll,
  },
  'of two names of a directory the one in its parent is kept': {
    async hand(disks) {
      const { ino } = disks.entry('deep')
      const { ino: other } = disks.entry('other')
      const key = disks.entryKey('deep')
      const twice = entriesKey(partitionOf(other), other, hashOfEntriesKey(key))
      await disks.put(twice, encodeEntries([{ ...disks.entry('deep'), ino }]))
    },
    faults: ['directory-count', 'parent'],
    after: stillHasAll,
  },
  'a loop of directories is opened': {
    async hand(disks) {
      const inner = disks.entry('inner')
      const { ino: deep } = disks.entry('deep')
      const hash = hashOfEntriesKey(disks.entryKey('inner'))
      await disks.put(disks.entryKey('inner'), null)
      await disks.put(entriesKey(partitionOf(deep), deep, hash), encodeEntries([inner]))
      await disks.changeInode(inner.ino, { parent: deep })
    },
    faults: ['directory-count', 'unreachable'],
    async after(t, cluster) {
      const [name] = await refuge(t, cluster)
      const files = await cluster.connect('lost-found')
      const below = await files.readdir(`/${name}`)
      t.deepEqual(below.includes('deep') ? ['big', 'deep'] : ['inner', 'leaf'], below.sort())
    },
  },
  'wrong counts of a directory are corrected': {
    hand: disks => disks.changeInode(disks.entry('outer').ino, { size: 77, nlink: 9 }),
    faults: ['directory-count'],
    after: stillHasAll,
  },
  'blocks of a state that is over are deleted': {
    async hand(disks) {
      const { ino } = disks.entry('big')
      const { generation } = disks.inode(ino)
      await disks.changeInode(ino, { generation: generation + 1, reserved: 0, reach: 0, size: 0 })
    },
    faults: ['leaked-blocks'],
  },
  'blocks of a file that is gone are deleted': {
    async hand(disks) {
      const { ino } = disks.entry('big')
      await disks.put(inodeKey(partitionOf(ino), ino), null)
      await disks.changeEntry('big', null)
    },
    faults: ['directory-count', 'leaked-blocks', 'partition-count'],
  },
  'a file is told of blocks that it did not know of': {
    hand: disks => disks.changeInode(disks.entry('big').ino, { reserved: 1, reach: 1 }),
    faults: ['blocks-beyond-reach'],
    after: stillHasAll,
  },
  'a file that is shorter than its data is made longer': {
    hand: disks => disks.changeInode(disks.entry('small').ino, { size: 3 }),
    faults: ['bad-inode'],
    after: stillHasAll,
  },
  'values that no inode has are corrected': {
    async hand(disks) {
      const { ino } = disks.entry('small')
      const sound = disks.inode(ino)
      await disks.changeInode(ino, { size: -5, generation: 0.5, blockBytes: 2 ** 40, reach: -1 })
      if (sound.ino !== ino) throw new Error('another inode')
    },
    faults: ['bad-inode'],
    after: stillHasAll,
  },
  'a deletion that is queued of blocks in use is not carried out': {
    async hand(disks) {
      const { ino } = disks.entry('big')
      const record = Buffer.alloc(8)
      record.writeDoubleLE(1000)
      await disks.put(purgeKey(partitionOf(ino), ino, disks.inode(ino).generation), record)
    },
    faults: ['purge-record'],
    after: stillHasAll,
  },
  'the list of files without a name is corrected': {
    async hand(disks) {
      const { ino } = disks.entry('small')
      await disks.put(orphanKey(partitionOf(ino), ino), new Uint8Array(0))
      await disks.put(orphanKey(partitionOf(ino), ino + 1000), new Uint8Array(0))
    },
    faults: ['orphan-record'],
    after: stillHasAll,
  },
  'extended attributes without an inode, or that cannot be read, are removed': {
    async hand(disks) {
      const { ino } = disks.entry('small')
      const sound = encodeXattrs(new Map([['user.a', garbage]]))
      await disks.put(xattrsKey(partitionOf(ino), ino + 1000), sound)
      await disks.put(xattrsKey(partitionOf(ino), ino), Buffer.concat([sound, garbage]))
    },
    faults: ['bad-xattrs', 'stray-xattrs'],
    async after(t, cluster) {
      await stillHasAll(t, cluster)
    },
  },
  'data beside an inode that has blocks is removed': {
    async hand(disks) {
      const { ino } = disks.entry('big')
      await disks.put(inlineKey(partitionOf(ino), ino), garbage)
    },
    faults: ['stray-inline-data'],
    after: stillHasAll,
  },
  'records in which a bit has flipped are made again from what is left': {
    async hand(disks) {
      for (const name of ['small', 'inner', 'big']) {
        const { ino } = disks.entry(name)
        disks.decay(inodeKey(partitionOf(ino), ino))
      }
      const { ino } = disks.entry('small')
      await disks.put(xattrsKey(partitionOf(ino), ino), garbage)
    },
    faults: ['bad-xattrs', 'dangling-entry'],
    after: stillHasAll,
  },
  'the directory of volumes in whose inode a bit has flipped is made again': {
    async hand(disks) {
      disks.decay(inodeKey(partitionOf(clusterRootIno), clusterRootIno))
    },
    faults: ['lost-inode'],
    after: stillHasAll,
  },
  'entries in which a bit has flipped leave their files in lost-found': {
    async hand(disks) {
      disks.decay(disks.entryKey('small'))
    },
    faults: ['bad-entry', 'directory-count', 'nameless'],
    async after(t, cluster) {
      t.is((await refuge(t, cluster)).length, 1)
    },
  },
  'a block that is gone shows in the count of its partition': {
    async hand(disks) {
      const [key] = disks.blocksOf(disks.entry('big').ino)
      await disks.put(key!, null)
    },
    faults: ['partition-count'],
  },
}

for (const [title, { hand, faults, after }] of Object.entries(cases)) {
  test(title, async t => {
    await using cluster = await startFilled()
    await damageAndRepair(t, cluster, hand, faults)
    await after?.(t, cluster)
  })
}

test('data beside an inode that is gone is the file, and not the blocks of a write that failed', async t => {
  await using cluster = await startFilled()
  const files = await cluster.connect()
  const { ino } = await files.stat('/outer/small')
  const client = await cluster.client()
  const home = partitionOf(ino)
  const reserved = await client.mutate('reserve', home, { ino, reach: 1, exclusive: true })
  const { generation } = reserved.body.attributes
  const data = bytesOf(9, 20_000)
  const checksums = checksumsOf([data], 0, chunkBytes)
  const block = { ino, generation, block: 0, ranges: [0, data.length], checksums }
  const partition = partitionOfBlock(ino, generation, 0, client.partitionCount)
  await client.mutate('writeBlock', partition, block, [data])
  await cluster.damage(async all => (await Disks.read(all)).decay(inodeKey(home, ino)))
  t.log((await cluster.check({ repair: true })).findings)
  await isClean(t, cluster)
  await stillHasAll(t, cluster)
})

/** Looks into a fault, and repairs it, with nothing else that a check would do. */
async function repairOnly(
  cluster: InProcessCluster,
  fault: ExamineRequest['fault'],
  rest: Pick<ExamineRequest, 'ino' | 'subject'> & Partial<ExamineRequest>,
): Promise<string> {
  const client = await cluster.client()
  const nothing = { key: new Uint8Array(0), names: [], change: 0, remains: noRemains, refuge: 0 }
  const request = { fault, ...nothing, repair: true, ...rest }
  return (await client.mutate('examine', partitionOf(rest.ino), request)).body.verdict
}

test('a file that has lost its inode and its name is found whole, whatever its blocks are long', async t => {
  await using cluster = await startFilled()
  await createVolume(await cluster.client(), 'fine', { blockBytes: minBlockBytes })
  await createVolume(await cluster.client(), 'coarse', { blockBytes: maxBlockBytes })
  const data = bytesOf(3, maxBlockBytes + 100_000)
  const inos: number[] = []
  for (const name of ['fine', 'coarse']) {
    const files = await cluster.connect(name)
    await files.writeFile(`/${name}-file`, data)
    inos.push((await files.stat(`/${name}-file`)).ino)
  }
  await cluster.damage(async all => {
    const disks = await Disks.read(all)
    for (const ino of inos) disks.decay(inodeKey(partitionOf(ino), ino))
    for (const name of ['fine-file', 'coarse-file']) await disks.changeEntry(name, null)
  })
  await cluster.check({ repair: true })
  const found = await cluster.connect('lost-found')
  for (const ino of inos) sameBytes(t, await found.readFile(`/#${ino}`), data)
})

test('what is made again does not go with the first of its names, or as if it were empty', async t => {
  await using cluster = await startFilled()
  const files = await cluster.connect()
  const read = async (path: string) => {
    const { ino } = await files.stat(path)
    return { ino, subject: ino, directory: (await files.stat(dirname(path))).ino }
  }
  const file = await read('/other/linked')
  const directory = await read('/outer/inner')
  let places: NamePlace[] = []
  await cluster.damage(async all => {
    const disks = await Disks.read(all)
    places = [file, directory].map(({ subject, directory }) => {
      const name = subject === file.subject ? 'linked' : 'inner'
      const cookie = cookieOf(hashOfEntriesKey(disks.entryKey(name)), disks.entry(name).place)
      return { partition: partitionOf(directory), directory, cookie }
    })
    for (const { subject } of [file, directory]) {
      disks.decay(inodeKey(partitionOf(subject), subject))
    }
  })
  const ofFile = { ...noRemains, names: 2, inline: true }
  const ofDirectory = { ...noRemains, names: 1, entries: 2 }
  for (const [index, remains] of [ofFile, ofDirectory].entries()) {
    const { subject } = [file, directory][index]!
    const place = places[index]!
    const home = { ino: makeIno(place.partition, 0), subject, names: [place], remains }
    t.is(await repairOnly(cluster, 'dangling-entry', home), 'repaired')
  }
  await files.unlink('/other/linked')
  t.is(await files.readFile('/outer/linked-too', 'utf8'), 'linked')
  await t.throwsAsync(files.rmdir('/outer/inner'), { code: 'ENOTEMPTY' })
})

test('a file that counts no links and has names is not given over to be removed', async t => {
  await using cluster = await startFilled()
  const { ino } = await (await cluster.connect()).stat('/outer/small')
  const home = partitionOf(ino)
  await cluster.damage(async all => (await Disks.read(all)).changeInode(ino, { nlink: 0 }))
  const client = await cluster.client()
  const { change } = (await client.query('checkInode', home, { ino })).body
  const key = Buffer.from(inodeKey(home, ino), 'latin1')
  const names = [{ partition: home, directory: ino, cookie: 16 }]
  const examined = { ino, subject: ino, key, change }
  t.is(await repairOnly(cluster, 'orphan-record', { ...examined, names }), 'sound')
  t.is(await repairOnly(cluster, 'orphan-record', { ...examined, change: 0 }), 'undecided')
  await cluster.check({ repair: true })
  await stillHasAll(t, cluster)
})

test('extended attributes of an inode that cannot be read are kept for it', async t => {
  await using cluster = await startFilled()
  const fileSystem = await cluster.openFileSystem()
  const files = await cluster.connect()
  const { ino } = await files.stat('/outer/small')
  await fileSystem.setxattr(ino, Buffer.from('user.a'), Buffer.from('kept'), 0)
  const home = partitionOf(ino)
  await cluster.damage(async all => (await Disks.read(all)).decay(inodeKey(home, ino)))
  const key = Buffer.from(xattrsKey(home, ino), 'latin1')
  t.is(await repairOnly(cluster, 'stray-xattrs', { ino, subject: ino, key }), 'sound')
})

test('a sound cluster has no faults', async t => {
  await using cluster = await startFilled()
  const report = await isClean(t, cluster)
  t.true(report.files >= 4)
  t.true(report.verifiedBytes > 3_000_000)
})

const losses: { readonly [title: string]: Case } = {
  'data that was changed on the disk is told with the name of the file': {
    async hand(disks) {
      const [key] = disks.blocksOf(disks.entry('big').ino)
      const chunk = decodeRecord(disks.value(key!))![0]!
      const file = await open(disks.diskOf(key!).blocksFile, 'r+')
      await file.write(garbage, 0, garbage.length, chunk.extents[0]!.unit * 4096 + 100)
      await file.close()
    },
    faults: ['bad-data'],
  },
  'blocks that share their space are told with the name of the file': {
    async hand(disks) {
      const [one, two] = disks.blocksOf(disks.entry('big').ino)
      await disks.put(two!, disks.value(one!))
    },
    faults: ['bad-block'],
  },
  'a record of a block that cannot be read is told with the name of the file': {
    async hand(disks) {
      const [key] = disks.blocksOf(disks.entry('big').ino)
      await disks.put(key!, garbage)
    },
    faults: ['bad-block'],
  },
}

for (const [title, { hand, faults }] of Object.entries(losses)) {
  test(title, async t => {
    await using cluster = await startFilled()
    await cluster.damage(async disks => hand(await Disks.read(disks)))
    const found = await cluster.check({ data: true, repair: true })
    for (const fault of faults) t.true(distinct(found).includes(fault), fault)
    const lost = found.findings.filter(({ outcome }) => outcome === 'lost')
    t.true(lost.length > 0)
    for (const { path } of lost) t.is(path, 'test:/outer/inner/big')
    const files = await cluster.connect()
    await t.throwsAsync(files.readFile('/outer/inner/big'), { code: 'EIO' })
    await files.writeFile('/outer/inner/big', 'restored')
    await cluster.purged()
    await isClean(t, cluster)
  })
}

test('a small file whose data was changed is told with its name', async t => {
  await using cluster = await startFilled()
  await cluster.damage(async all => {
    const disks = await Disks.read(all)
    const { ino } = disks.entry('small')
    const key = inlineKey(partitionOf(ino), ino)
    const value = Buffer.from(disks.value(key))
    value[20]! ^= 4
    await disks.put(key, value)
  })
  const { findings } = await cluster.check({ repair: true })
  const told = findings.map(({ fault, outcome, path }) => [fault, outcome, path])
  t.deepEqual(told, [['bad-inline-data', 'lost', 'test:/outer/small']])
})

test('a block where nobody looks for it is told, and left', async t => {
  await using cluster = await startFilled()
  await cluster.damage(async all => {
    const disks = await Disks.read(all)
    const [key] = disks.blocksOf(disks.entry('big').ino)
    const place = parseBlockKey(key!)
    const elsewhere = Array.from({ length: 64 }, (_, partition) => ({ ...place, partition }))
      .map(blockKeyOf)
      .find(other => other !== key && disks.homeOf(other) === disks.diskOf(key!))
    await disks.put(elsewhere!, disks.value(key!))
    await disks.put(key!, null)
  })
  const report = await cluster.check({ repair: true })
  t.deepEqual(distinct(report), ['misplaced-block', 'partition-count'])
})

test('transactions that are stuck are brought to their end', async t => {
  await using cluster = await startFilled()
  await cluster.damage(async all => {
    const disks = await Disks.read(all)
    const { ino } = disks.entry('small')
    const partition = partitionOf(ino)
    const counts = { inodes: 0, blocks: 0, blockBytes: 0 }
    const locked = [inodeKey(partition, ino)]
    const intent = { coordinator: 60_000, locked, mutations: [], counts }
    await disks.put(intentKey(partition, 'ab'.repeat(16)), encodeIntent(intent))
    await disks.put(decisionKey(partition, 'cd'.repeat(16)), encodeDecision([60_000]))
  })
  const { findings } = await cluster.check({ repair: true })
  const told = findings.map(({ fault, outcome }) => [fault, outcome])
  t.deepEqual(told, [
    ['stuck-transaction', 'repaired'],
    ['stuck-transaction', 'repaired'],
  ])
  await stillHasAll(t, cluster)
})

test('a block that arrives when its file is gone is found and deleted', async t => {
  await using cluster = await startFilled()
  const files = await cluster.connect()
  const { ino } = await files.stat('/outer/inner/big')
  // A generation that is not queued any more, and that no server remembers to have deleted.
  const block = { ino, generation: 900, block: 2 }
  const data = bytesOf(7, 5000)
  const checksums = checksumsOf([data], 0, chunkBytes)
  const write = { ...block, ranges: [0, data.length], checksums }
  const client = await cluster.client()
  const partition = partitionOfBlock(ino, 900, 2, client.partitionCount)
  await client.mutate('writeBlock', partition, write, [data])
  const { findings } = await cluster.check()
  const told = findings.map(({ fault, outcome, path }) => [fault, outcome, path])
  t.deepEqual(told, [['leaked-blocks', 'faulty', 'test:/outer/inner/big']])
  const repaired = await cluster.check({ repair: true })
  t.deepEqual(
    repaired.findings.map(({ outcome }) => outcome),
    ['repaired'],
  )
  await isClean(t, cluster)
  sameBytes(t, await files.readFile('/outer/inner/big'), bytesOf(1, bigBytes))
})

test('a check that is interrupted says so, and leaves nothing in its directory', async t => {
  await using cluster = await startFilled()
  const interrupted = new AbortController()
  const onProgress = () => interrupted.abort(new Error('enough'))
  const checking = cluster.check({ signal: interrupted.signal, onProgress })
  await t.throwsAsync(checking, { message: 'enough' })
  await isClean(t, cluster)
})

test('an examination that is none is refused, and so is one of another partition', async t => {
  await using cluster = await startFilled()
  const client = await cluster.client()
  const sound = {
    ino: makeIno(3, 0),
    fault: 'bad-inode' as const,
    subject: makeIno(3, 20),
    key: Buffer.from(inodeKey(4, makeIno(4, 20)), 'latin1'),
    names: [],
    change: 0,
    remains: noRemains,
    repair: true,
    refuge: 0,
  }
  const refused = { code: 'EIO', message: /MALFORMED/ } as const
  await t.throwsAsync(client.mutate('examine', 3, sound), refused)
  const nameless = { ...sound, fault: 'nothing' as 'bad-inode' }
  await t.throwsAsync(client.mutate('examine', 3, nameless), refused)
  const after = Buffer.from([0, 9, 1])
  await t.throwsAsync(client.query('checkScan', 3, { after }), refused)
  const many = { inos: Array<number>(5000).fill(1), after: new Uint8Array(0) }
  await t.throwsAsync(client.query('checkNames', 3, many), refused)
  await t.throwsAsync(client.query('checkInode', 0, { ino: -1 }), refused)
})
