/** What one client writes behind: everybody else sees it at once, and what is lost of it is told. */
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import type { Cluster } from '../../client/cluster/contract.ts'
import { nameKey } from '../../client/cluster/read-leases.ts'
import { contextOf } from '../../client/fs/context.ts'
import type { FileSystem, OpenFile } from '../../client/fs/contract.ts'
import { openVolume } from '../../client/fs/volume.ts'
import { setQuota } from '../../client/fs/volumes.ts'
import { PosixError } from '../../network/errors.ts'
import { leaseTermMs } from '../../network/limits.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import { eventually } from './eventually.ts'
import { InProcessCluster } from './in-process.ts'
import { afterAnswer, beforeAsking } from './interleaving.ts'

const me = { uid: 0, gid: 0 }
const name = Buffer.from('f')
const pieceBytes = 5_000
const piece = Buffer.alloc(pieceBytes, 'x')

interface Client {
  readonly cluster: Cluster
  readonly fs: FileSystem
  readonly hasLeft: () => boolean
}

async function clientOf(servers: InProcessCluster): Promise<Client> {
  const cluster = await servers.client()
  const fs = await openVolume(cluster, 'test', { isSole: true })
  const { behind } = contextOf(cluster)
  return { cluster, fs, hasLeft: () => !behind.isEmpty }
}

interface Written {
  readonly directory: number
  readonly file: OpenFile
  /** As the writer knows it to be, with what it has written behind. */
  readonly size: number
}

/** Makes a file that is written until something is left behind of it. */
async function writeBehind(client: Client): Promise<Written> {
  const { fs, hasLeft } = client
  const directory = (await fs.mkdir(fs.root, Buffer.from(`d${dirs++}`), 0o755, me)).ino
  const options = { exclusive: true, truncate: false }
  const { file } = await fs.create(directory, name, 0o644, me, options)
  let size = 0
  await eventually('the file is leased for writing', async () => {
    await fs.write(file, size, piece, {})
    size += pieceBytes
    return hasLeft()
  })
  return { directory, file, size }
}
let dirs = 0

const readAll = async (fs: FileSystem, ino: number): Promise<string> => {
  const file = await fs.open(ino, { truncate: false })
  try {
    return Buffer.concat(await fs.read(file, 0, 10_000_000)).toString()
  } finally {
    fs.release(file)
  }
}

/** What can be seen of the size. */
const looks: { readonly [title: string]: (fs: FileSystem, at: Written) => Promise<number> } = {
  getattr: async (fs, { file }) => (await fs.getattr(file.ino)).size,
  lookup: async (fs, { directory }) => (await fs.lookup(directory, name)).size,
  'a listing with attributes': async (fs, { directory }) => {
    const page = await fs.readdirplus(directory, 0, { limitBytes: 1000 })
    return (page.entries[0]!.attributes as Attributes).size
  },
  open: async (fs, { file }) => {
    const opened = await fs.open(file.ino, { truncate: false })
    fs.release(opened)
    return opened.attributes.size
  },
  'an open that could have made it': async (fs, { directory }) => {
    const options = { exclusive: false, truncate: false }
    const opened = await fs.create(directory, name, 0o644, me, options)
    fs.release(opened.file)
    return opened.attributes.size
  },
  'a read': async (fs, { file }) => (await readAll(fs, file.ino)).length,
  link: async (fs, { file, directory }) =>
    (await fs.link(file.ino, directory, Buffer.from('other'))).size,
  setattr: async (fs, { file }) => (await fs.setattr(file.ino, { mode: 0o600 })).size,
  seek: async (fs, { file }) => {
    const opened = await fs.open(file.ino, { truncate: false })
    const end = await fs.seek(opened, 'hole', 0)
    fs.release(opened)
    return end
  },
  copy: async (fs, { file, directory }) => {
    const source = await fs.open(file.ino, { truncate: false })
    const options = { exclusive: true, truncate: false }
    const { file: target } = await fs.create(directory, Buffer.from('copy'), 0o644, me, options)
    const copied = await fs.copyRange(source, target, { from: 0, to: 0, length: 1e6 }, {})
    for (const each of [source, target]) fs.release(each)
    return copied
  },
}

for (const [who, index] of [
  ['another client', 1],
  ['the client itself', 0],
] as const) {
  test(`${who} sees what was written behind, however it looks`, async t => {
    await using servers = await InProcessCluster.start(2)
    const clients = [await clientOf(servers), await clientOf(servers)]
    for (const [title, look] of Object.entries(looks)) {
      const at = await writeBehind(clients[0]!)
      t.is(await look(clients[index]!.fs, at), at.size, title)
      t.false(clients[0]!.hasLeft(), title)
      clients[0]!.fs.release(at.file)
    }
  })
}

test('bytes written behind are those that another client reads, also over what was there', async t => {
  await using servers = await InProcessCluster.start(2)
  const [one, other] = [await clientOf(servers), await clientOf(servers)]
  const { file, size } = await writeBehind(one)
  const expected = Buffer.alloc(size, 'x')
  for (const at of [0, 7_000, 3_000, size - 10]) {
    const data = Buffer.alloc(100, `${at}`)
    await one.fs.write(file, at, data, {})
    expected.fill(`${at}`, at, Math.min(size, at + 100))
  }
  const grown = Buffer.concat([expected, Buffer.alloc(90, `${size - 10}`)])
  grown.fill(Buffer.alloc(100, `${size - 10}`), size - 10)
  t.is(await readAll(other.fs, file.ino), grown.toString())
  t.is(await readAll(one.fs, file.ino), grown.toString())
})

test('what another client writes comes over what was written behind before', async t => {
  await using servers = await InProcessCluster.start(2)
  const [one, other] = [await clientOf(servers), await clientOf(servers)]
  const { file, size } = await writeBehind(one)
  const theirs = await other.fs.open(file.ino, { truncate: false })
  for (let round = 0; round < 30; round++) {
    await one.fs.write(file, 0, Buffer.from(`one ${round} `), {})
    t.is(`${Buffer.concat(await other.fs.read(theirs, 0, 3))}`, round === 0 ? 'one' : 'one')
    await other.fs.write(theirs, 0, Buffer.from(`two ${round} `), {})
    t.is(`${Buffer.concat(await one.fs.read(file, 0, 3))}`, 'two')
  }
  t.is((await other.fs.getattr(file.ino)).size, size)
})

test('a client that did not look writes over what was written behind, not under it', async t => {
  await using servers = await InProcessCluster.start(2)
  const [one, other] = [await clientOf(servers), await clientOf(servers)]
  const { file, size } = await writeBehind(one)
  const theirs = await other.fs.open(file.ino, { truncate: false })
  for (let round = 0; round < 3; round++) {
    // Until the file is at rest no more, and leased for writing again.
    await eventually('something is left', async () => {
      await one.fs.write(file, 0, Buffer.from(`one ${round}`), {})
      return one.hasLeft()
    })
    await other.fs.write(theirs, 0, Buffer.from(`two ${round}`), {})
    t.is((await readAll(one.fs, file.ino)).slice(0, 5), `two ${round}`)
  }
  t.is((await other.fs.getattr(file.ino)).size, size)
})

test('appends that are written behind follow one another, and others’ appends', async t => {
  await using servers = await InProcessCluster.start(2)
  const [one, other] = [await clientOf(servers), await clientOf(servers)]
  const { file, size } = await writeBehind(one)
  const theirs = await other.fs.open(file.ino, { truncate: false })
  let expected = ''
  for (let round = 0; round < 200; round++) {
    await one.fs.write(file, 0, Buffer.from(`a${round};`), { append: true })
    expected += `a${round};`
    if (round % 40 !== 20) continue
    await other.fs.write(theirs, 0, Buffer.from(`b${round};`), { append: true })
    expected += `b${round};`
  }
  t.is((await readAll(other.fs, file.ino)).slice(size), expected)
})

test('an append beside one that is written through is not laid over it', async t => {
  await using servers = await InProcessCluster.start(2)
  const one = await clientOf(servers)
  const { file, size } = await writeBehind(one)
  await one.fs.fsync(file.ino, file)
  const through = { append: true, killPrivileges: true }
  const both = [through, { append: true }].map(how => one.fs.write(file, 0, piece, how))
  await Promise.all(both)
  t.is((await one.fs.getattr(file.ino)).size, size + 2 * pieceBytes)
})

test('fsync, close and unmounting leave nothing behind', async t => {
  await using servers = await InProcessCluster.start(2)
  const [one, other] = [await clientOf(servers), await clientOf(servers)]
  const first = await writeBehind(one)
  await one.fs.fsync(first.file.ino, first.file)
  t.false(one.hasLeft())
  await one.fs.write(first.file, 0, Buffer.from('y'), {})
  t.true(one.hasLeft())
  await one.fs.settle?.(first.file)
  t.false(one.hasLeft())
  const { file, size } = await writeBehind(one)
  await one.fs.close()
  t.false(one.hasLeft())
  await one.cluster.close()
  t.is((await other.fs.getattr(file.ino)).size, size)
  const startMs = performance.now()
  await other.fs.setattr(file.ino, { size: 0 })
  t.true(performance.now() - startMs < leaseTermMs, 'nobody has to be waited for')
})

test('a file is renamed when all that was written to it is on the servers', async t => {
  await using servers = await InProcessCluster.start(2)
  const one = await clientOf(servers)
  for (const isKnown of [true, false]) {
    const { directory, file } = await writeBehind(one)
    if (!isKnown) one.cluster.leases.forget(nameKey(directory, name))
    await one.fs.write(file, 0, piece, {})
    t.true(one.hasLeft())
    let isLeft = true
    beforeAsking(one.cluster, 'rename', async () => {
      isLeft = one.hasLeft()
    })
    await one.fs.rename(directory, name, directory, Buffer.from('g'), 0)
    t.false(isLeft)
    one.fs.release(file)
  }
})

test('what cannot be kept of a file when it is unmounted is logged', async t => {
  await using servers = await InProcessCluster.start(1)
  const one = await clientOf(servers)
  const { file, size } = await writeBehind(one)
  const logged: object[] = []
  Object.assign(one.cluster, { log: { info() {}, warn: (fields: object) => logged.push(fields) } })
  const failed = new PosixError('EIO')
  beforeAsking(one.cluster, 'commitWrite', () => Promise.reject(failed))
  await one.fs.write(file, 10 * size, piece, {})
  await one.fs.close()
  t.like(logged, [{ ino: file.ino, error: failed }])
  t.true((logged[0] as { bytes: number }).bytes >= pieceBytes)
})

test('a listing shows what was written before it, though the file is sent and closed meanwhile', async t => {
  await using servers = await InProcessCluster.start(2)
  const one = await clientOf(servers)
  const at = await writeBehind(one)
  await one.fs.write(at.file, at.size, piece, {})
  t.true(one.hasLeft())
  afterAnswer(one.cluster, 'query', 'readdirplus', async () => {
    await one.fs.settle?.(at.file)
    one.fs.release(at.file)
  })
  t.is(await looks['a listing with attributes']!(one.fs, at), at.size + pieceBytes)
})

test('an append beside an open that empties the file leaves no hole', async t => {
  await using servers = await InProcessCluster.start(2)
  const one = await clientOf(servers)
  const { file } = await writeBehind(one)
  afterAnswer(one.cluster, 'mutate', 'open', () =>
    one.fs.write(file, 0, Buffer.from('tail'), { append: true }),
  )
  await one.fs.open(file.ino, { truncate: true })
  await one.fs.fsync(file.ino, file)
  t.is((await one.fs.getattr(file.ino)).size, 4)
  t.is(await readAll(one.fs, file.ino), 'tail')
})

test('what is left goes to the servers by itself, soon', async t => {
  await using servers = await InProcessCluster.start(2)
  const one = await clientOf(servers)
  await writeBehind(one)
  await eventually('it is sent', async () => !one.hasLeft())
  t.pass()
})

test('where there is a quota a write that it does not allow is refused at once', async t => {
  await using servers = await InProcessCluster.start(2)
  const one = await clientOf(servers)
  const { file, size } = await writeBehind(one)
  await setQuota(one.cluster, 'test', { bytes: 2 ** 20, files: null })
  const full = async (): Promise<void> => {
    for (let at = size; at < 2 ** 23; at += 2 ** 16) {
      await one.fs.write(file, at, Buffer.alloc(2 ** 16), {})
      // The first of them is taken before the quota was heard of.
      if (at > size) t.false(one.hasLeft())
      await one.fs.settle?.(file)
    }
  }
  await t.throwsAsync(full, { code: 'EDQUOT' })
  await one.fs.settle?.(file)
})

test('servers that stop have what is left brought before', async t => {
  await using servers = await InProcessCluster.start(2)
  const [one, other] = [await clientOf(servers), await clientOf(servers)]
  const written = await writeBehind(one)
  const { file } = written
  let { size } = written
  // They wait for it for a moment only: on a machine that is busy it may come too late, and is sent again then.
  await eventually('it was there before they had stopped', async () => {
    await eventually('something is left', async () => {
      await one.fs.write(file, size, piece, {})
      size += pieceBytes
      return one.hasLeft()
    })
    await servers.stopServers()
    const isBrought = !one.hasLeft()
    await servers.startServers()
    if (!isBrought) await one.fs.fsync(file.ino, file)
    t.is((await other.fs.getattr(file.ino)).size, size)
    return isBrought
  })
  await one.fs.fsync(file.ino, file)
  t.is((await readAll(other.fs, file.ino)).length, size)
})

test('while its partitions move, a file is written behind and read by others', async t => {
  await using servers = await InProcessCluster.start(2)
  const [one, other] = [await clientOf(servers), await clientOf(servers)]
  const files: { file: OpenFile; size: number }[] = []
  // Each has a third of a chance to be moved: so many that some will.
  const opening = Array.from({ length: 24 }, () => writeBehind(one))
  for (const written of await Promise.all(opening)) files.push({ ...written })
  const homes = () =>
    files.map(({ file }) => one.cluster.view.partitions[partitionOfIno(file.ino)]!.primary)
  const before = homes().join()
  let stop = false
  let slowestMs = 0
  const writing = files.map(async at => {
    while (!stop) {
      await one.fs.write(at.file, at.size, piece, {})
      at.size += pieceBytes
      await setTimeout(5)
      if (Math.random() > 0.1) continue
      const startMs = Date.now()
      t.is((await other.fs.getattr(at.file.ino)).size, at.size)
      slowestMs = Math.max(slowestMs, Date.now() - startMs)
    }
  })
  await servers.addServer()
  await eventually('some have moved', async () => homes().join() !== before)
  await setTimeout(3_000)
  stop = true
  await Promise.all(writing)
  t.log(`the slowest look took ${slowestMs} ms`)
  for (const { file, size } of files) {
    await one.fs.fsync(file.ino, file)
    t.is((await other.fs.getattr(file.ino)).size, size)
  }
})

test('who is asked for a file when its term is over here, and not yet at the server, brings what it has first', async t => {
  await using servers = await InProcessCluster.start(2)
  const [one, other] = [await clientOf(servers), await clientOf(servers)]
  const { file, size } = await writeBehind(one)
  await one.fs.fsync(file.ino, file)
  await one.fs.write(file, size, piece, {})
  t.true(one.hasLeft())
  // As where the server was busy for so long before it renewed the term.
  one.cluster.writing.termOf(file.ino)!.untilMs = 0
  t.is((await other.fs.getattr(file.ino)).size, size + pieceBytes)
  await one.fs.fsync(file.ino, file)
})

test('each open file is told once of what was lost', async t => {
  await using servers = await InProcessCluster.start(1)
  const one = await clientOf(servers)
  const { file } = await writeBehind(one)
  const again = await one.fs.open(file.ino, { truncate: false })
  const inode = contextOf(one.cluster).inodes.get(file.ino)!
  inode.behind.failed(new PosixError('ENOSPC'), 0)
  await t.throwsAsync(one.fs.fsync(file.ino, file), { code: 'ENOSPC' })
  await one.fs.fsync(file.ino, file)
  // Whoever closes it waits for more than this.
  const told = one.fs.settle?.(again)
  await t.throwsAsync(told ?? Promise.resolve(), { code: 'ENOSPC' })
  t.is(one.fs.settle?.(again), null)
  const later = await one.fs.open(file.ino, { truncate: false })
  await one.fs.write(later, 0, piece, {})
})
