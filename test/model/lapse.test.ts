/** A client that writes behind and is cut off: nothing it had comes over what others wrote meanwhile, or it is all there. */
import test from 'ava'
import type { Cluster } from '../../client/cluster/contract.ts'
import type { FileSystem, OpenFile } from '../../client/fs/contract.ts'
import { PosixError } from '../../network/errors.ts'
import { leaseTermMs, readLeaseRestMs } from '../../network/limits.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import { afterAnswer, beforeAsking } from '../cluster/interleaving.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

const me = { uid: 0, gid: 0 }
const name = Buffer.from('f')
const how = { exclusive: true, truncate: false }

/** Has `old` on the servers, and `new` written behind over it. */
async function leave(
  { cluster, one, file }: Pick<Scene, 'cluster' | 'one' | 'file'>,
  text = 'new',
): Promise<void> {
  for (let count = 0; count < 3; count++) {
    await cluster.passing(one.write(file, 0, Buffer.from('old'), {}))
    await cluster.env.advance(20)
  }
  await cluster.passing(one.fsync(file.ino, file))
  // Taken without a message.
  const taken = one.write(file, 0, Buffer.from(text), {}).then(() => true)
  const isTaken = await Promise.race([taken, new Promise(resolve => setImmediate(resolve, false))])
  if (isTaken !== true) throw new Error('it was not written behind')
}

/** Nobody else goes by the file, which is `new` or `old` again. */
async function comeToRest({ cluster, one, file }: Scene): Promise<void> {
  await cluster.passing(one.setattr(file.ino, { size: 3 }))
  await cluster.env.advance(readLeaseRestMs + leaseTermMs)
}

interface Scene {
  readonly cluster: SimulatedCluster
  readonly endpoint: string
  readonly one: FileSystem
  readonly ones: Cluster
  readonly other: FileSystem
  readonly others: Cluster
  readonly file: OpenFile
  /** Lets time pass until the promise is settled. */
  readonly passing: <T>(promise: Promise<T>) => Promise<T>
  readonly read: (fileSystem: FileSystem) => Promise<string>
}

/** A file with `old`, over which its writer has written `new` without that anything has left. */
async function setUp(inlineBytes: number): Promise<Scene> {
  const cluster = await SimulatedCluster.start({ seed: 1, servers: 2, inlineBytes })
  const passing = <T>(promise: Promise<T>) => cluster.passing(promise)
  const { fileSystem: one, client: ones, endpoint } = await cluster.connect()
  const { fileSystem: other, client: others } = await cluster.connect()
  await cluster.env.advance(readLeaseRestMs)
  const { file } = await passing(one.create(one.root, name, 0o644, me, how))
  await passing(one.getattr(one.root))
  await leave({ cluster, one, file })
  const read = async (fileSystem: FileSystem): Promise<string> => {
    const opened = await passing(fileSystem.open(file.ino, { truncate: false }))
    const pieces = await passing(fileSystem.read(opened, 0, 10))
    fileSystem.release(opened)
    return Buffer.concat(pieces).toString()
  }
  return { cluster, endpoint, one, ones, other, others, file, passing, read }
}

/** @returns null when there is one of that name. */
async function makeDirectory(fileSystem: FileSystem, called: Uint8Array): Promise<number | null> {
  try {
    return (await fileSystem.mkdir(fileSystem.root, called, 0o755, me)).ino
  } catch (error) {
    if (error instanceof PosixError && error.code === 'EEXIST') return null
    throw error
  }
}

const attributeChanges: {
  readonly [what: string]: (other: FileSystem, ino: number) => Promise<unknown>
} = {
  'change the mode': (other, ino) => other.setattr(ino, { mode: 0o600 }),
  'change the owner': (other, ino) => other.setattr(ino, { uid: 7 }),
  'set the times': (other, ino) => other.setattr(ino, { mtimeNs: 1n, atimeNs: 1n }),
  'set an attribute': (other, ino) =>
    other.setxattr(ino, Buffer.from('user.a'), Buffer.from('1'), 0),
  'change the name': async (other, ino) => {
    const { root } = other
    const isFirst = (await other.lookup(root, name).catch(() => null))?.ino === ino
    const names = [name, Buffer.from('g')] as const
    const [from, to] = isFirst ? names : [names[1], names[0]]
    await other.rename(root, from, root, to, 0)
  },
  'add and remove a name': async (other, ino) => {
    await other.link(ino, other.root, Buffer.from('g'))
    await other.unlink(other.root, Buffer.from('g'))
  },
  'add a name in a directory of another partition': async (other, ino) => {
    for (let count = 0; ; count++) {
      const directory = await makeDirectory(other, Buffer.from(`d${count}`))
      if (directory === null || partitionOfIno(directory) === partitionOfIno(ino)) continue
      await other.link(ino, directory, name)
      return
    }
  },
}

for (const [where, inlineBytes] of [
  ['beside its inode', 100],
  ['in blocks', 0],
] as const) {
  test(`a short cut loses nothing of a file ${where}`, async t => {
    const { cluster, endpoint, one, other, file, passing, read } = await setUp(inlineBytes)
    await passing(cluster.cut(endpoint))
    t.is(await read(other), 'new')
    await passing(one.fsync(file.ino, file))
    t.is(await read(one), 'new')
  })

  test(`whoever reads a file ${where} during a cut, or right after it, sees what was written before`, async t => {
    const scene = await setUp(inlineBytes)
    const { cluster, endpoint, one, other, file, passing, read } = scene
    await passing(one.write(file, 3, Buffer.from('er'), {}))
    for (const cutMs of [0, 1, 30, 100, leaseTermMs / 4, leaseTermMs / 2]) {
      for (const readMs of [0, cutMs / 2, cutMs, cutMs + 1, cutMs + 30]) {
        cluster.keepOut(endpoint)
        const look = async () => (await other.getattr(file.ino)).size
        const looking = cluster.env.timers.sleep(readMs).then(look)
        await cluster.env.advance(cutMs)
        cluster.letBack(endpoint)
        t.is(await passing(looking), 5, `cut for ${cutMs} ms, looked after ${readMs} ms`)
        await passing(one.fsync(file.ino, file))
        t.is(await read(one), 'newer')
        await comeToRest(scene)
        await leave(scene, 'newer')
      }
    }
  })

  test(`a cut in the midst of a recall loses nothing of a file ${where}`, async t => {
    const scene = await setUp(inlineBytes)
    const { cluster, endpoint, one, other, file, passing, read } = scene
    let looking = other.getattr(file.ino)
    for (let ms = 1; ms < 10; ms++) {
      await cluster.env.advance(ms)
      cluster.keepOut(endpoint)
      await cluster.env.advance(2 * leaseTermMs)
      await passing(looking)
      cluster.letBack(endpoint)
      await passing(one.fsync(file.ino, file))
      t.is(await read(one), 'new', `after ${ms} ms`)
      t.is(await read(other), 'new')
      await comeToRest(scene)
      await leave(scene)
      looking = other.getattr(file.ino)
    }
    await passing(looking)
  })

  test(`a long cut loses nothing of a file ${where} that others only look at`, async t => {
    const { cluster, endpoint, one, other, file, passing, read } = await setUp(inlineBytes)
    cluster.keepOut(endpoint)
    t.is(await read(other), 'old')
    cluster.letBack(endpoint)
    await passing(one.fsync(file.ino, file))
    t.is(await read(one), 'new')
    t.is(await read(other), 'new')
  })

  for (const [what, change] of Object.entries(attributeChanges)) {
    test(`a long cut loses nothing of a file ${where} of which others ${what}`, async t => {
      const scene = await setUp(inlineBytes)
      const { cluster, endpoint, one, other, file, passing, read } = scene
      cluster.keepOut(endpoint)
      await passing(change(other, file.ino))
      await passing(change(other, file.ino))
      cluster.letBack(endpoint)
      await passing(one.fsync(file.ino, file))
      t.is(await read(one), 'new')
      t.is(await read(other), 'new')
      // It is the writer again, as before.
      await passing(one.write(file, 3, Buffer.from('er'), {}))
      t.is((await passing(other.getattr(file.ino))).size, 5)
      await passing(one.fsync(file.ino, file))
    })
  }

  for (const order of ['before', 'after', 'before and after']) {
    test(`what another wrote to a file ${where} stays where it changed attributes ${order} that`, async t => {
      const { cluster, endpoint, one, other, file, passing, read } = await setUp(inlineBytes)
      cluster.keepOut(endpoint)
      const chmod = () => passing(other.setattr(file.ino, { mode: 0o600 }))
      if (order !== 'after') await chmod()
      const theirs = await passing(other.open(file.ino, { truncate: false }))
      await passing(other.write(theirs, 0, Buffer.from('old'), {}))
      if (order !== 'before') await chmod()
      cluster.letBack(endpoint)
      await t.throwsAsync(passing(one.fsync(file.ino, file)), { code: 'EIO' })
      t.is(await read(one), 'old')
      t.is(await read(other), 'old')
    })
  }

  test(`a truncation of a file ${where} to the size that it had is no change of attributes`, async t => {
    const { cluster, endpoint, one, other, file, passing, read } = await setUp(inlineBytes)
    cluster.keepOut(endpoint)
    await passing(other.setattr(file.ino, { size: 3, mode: 0o600 }))
    cluster.letBack(endpoint)
    await t.throwsAsync(passing(one.fsync(file.ino, file)), { code: 'EIO' })
    t.is(await read(other), 'old')
  })

  test(`a server that was started again does not know that others changed no data of a file ${where}`, async t => {
    const { cluster, endpoint, one, other, file, passing, read } = await setUp(inlineBytes)
    cluster.keepOut(endpoint)
    await passing(other.setattr(file.ino, { mode: 0o600 }))
    const home = cluster.servers.view.partitions[partitionOfIno(file.ino)]!.primary!
    cluster.crash(home)
    await passing(cluster.startServer(home))
    await passing(other.setattr(file.ino, { mode: 0o644 }))
    cluster.letBack(endpoint)
    await t.throwsAsync(passing(one.fsync(file.ino, file)), { code: 'EIO' })
    t.is(await read(other), 'old')
  })

  test(`what another wrote meanwhile to a file ${where} stays, and each open file is told`, async t => {
    const { cluster, endpoint, one, other, file, passing, read } = await setUp(inlineBytes)
    const again = await passing(one.open(file.ino, { truncate: false }))
    const theirs = await passing(other.open(file.ino, { truncate: false }))
    await cluster.env.advance(readLeaseRestMs)
    await leave({ cluster, one, file })
    cluster.keepOut(endpoint)
    await passing(other.write(theirs, 0, Buffer.from('theirs'), {}))
    cluster.letBack(endpoint)
    await t.throwsAsync(passing(one.fsync(file.ino, file)), { code: 'EIO' })
    await passing(one.fsync(file.ino, file))
    await t.throwsAsync(passing(one.write(again, 0, Buffer.from('x'), {})), { code: 'EIO' })
    t.is(await read(one), 'theirs')
    t.is(await read(other), 'theirs')
    await passing(one.write(file, 0, Buffer.from('more'), {}))
    t.is(await read(other), 'morers')
  })
}

test('a writer that is gone leaves the file as it was, for others to read and change', async t => {
  const { cluster, endpoint, other, file, passing, read } = await setUp(0)
  cluster.end(endpoint)
  t.is(await read(other), 'old')
  const theirs = await passing(other.open(file.ino, { truncate: false }))
  await passing(other.write(theirs, 0, Buffer.from('theirs'), {}))
  t.is(await read(other), 'theirs')
})

test('servers that end and come back hear of it before anyone is told of the file', async t => {
  const { cluster, other, read } = await setUp(0)
  for (const id of cluster.ids) cluster.crash(id)
  await cluster.env.advance(300)
  const starting = Promise.all(cluster.ids.map(id => cluster.startServer(id)))
  await cluster.passing(starting)
  t.is(await read(other), 'new')
})

test('who looks before a writer hears that it may go on with what it had sees that', async t => {
  const { cluster, endpoint, one, ones, other, file, passing, read } = await setUp(0)
  await passing(one.write(file, 3, Buffer.from('er'), {}))
  cluster.keepOut(endpoint)
  await cluster.env.advance(2 * leaseTermMs)
  const looked = Promise.withResolvers<number>()
  let startMs = 0
  afterAnswer(ones, 'mutate', 'reserve', async () => {
    startMs = cluster.env.clock.monotonicMs()
    looked.resolve(other.getattr(file.ino).then(({ size }) => size))
    await cluster.env.timers.sleep(20)
  })
  cluster.letBack(endpoint)
  t.is(await passing(looked.promise), 5)
  t.true(cluster.env.clock.monotonicMs() - startMs < leaseTermMs / 2, 'without a long wait')
  await passing(one.fsync(file.ino, file))
  t.is(await read(one), 'newer')
})

test('a block that is slow on its way is written once, as long as its lease goes on', async t => {
  const { cluster, one, other, file, passing, read } = await setUp(0)
  const calls: string[] = []
  cluster.onCall = name => {
    calls.push(name)
    return name === 'writeBlock' ? cluster.env.timers.sleep(2 * leaseTermMs) : undefined
  }
  const looking = cluster.env.timers.sleep(leaseTermMs).then(() => other.getattr(file.ino))
  await passing(one.fsync(file.ino, file))
  await passing(looking)
  t.is(calls.filter(name => name === 'writeBlock').length, 1)
  t.is(await read(one), 'new')
  t.is(await read(other), 'new')
})

for (const restarts of [false, true]) {
  const when = restarts ? 'when its inode’s server was started again' : 'when its lease has ended'
  test(`a block that was on its way ${when} does not come over what others wrote since`, async t => {
    const { cluster, endpoint, other, file, passing, read } = await setUp(0)
    const onWay = Promise.withResolvers<void>()
    const sent = Promise.withResolvers<void>()
    cluster.onCall = name => {
      if (name !== 'writeBlock') return
      cluster.onCall = () => undefined
      sent.resolve()
      return onWay.promise
    }
    await passing(sent.promise)
    cluster.end(endpoint)
    const home = cluster.servers.view.partitions[partitionOfIno(file.ino)]!.primary!
    if (restarts) {
      cluster.crash(home)
      await passing(cluster.startServer(home))
    }
    const startMs = cluster.env.clock.monotonicMs()
    const theirs = await passing(other.open(file.ino, { truncate: false }))
    await passing(other.write(theirs, 0, Buffer.from('theirs'), {}))
    t.true(cluster.env.clock.monotonicMs() - startMs < 2 * leaseTermMs, 'nobody waits for it')
    onWay.resolve()
    await cluster.env.advance(leaseTermMs)
    t.is(await read(other), 'theirs')
  })
}

for (const [how, chmods] of [
  [{}, false],
  [{}, true],
  [{ append: true }, false],
  [{ append: true }, true],
] as const) {
  const title = `${'append' in how ? 'an append' : 'a write'}${chmods ? ' behind a chmod' : ''}`
  test(`${title} that is half done when a writer comes back comes over what that one had`, async t => {
    const { cluster, endpoint, one, other, others, file, passing, read } = await setUp(0)
    cluster.keepOut(endpoint)
    if (chmods) await passing(other.setattr(file.ino, { mode: 0o600 }))
    const theirs = await passing(other.open(file.ino, { truncate: false }))
    await cluster.env.advance(2 * leaseTermMs)
    beforeAsking(others, 'commitWrite', async () => {
      cluster.letBack(endpoint)
      await Promise.race([one.fsync(file.ino, file), cluster.env.timers.sleep(leaseTermMs)])
    })
    await passing(other.write(theirs, 0, Buffer.from('theirs'), how))
    await passing(one.fsync(file.ino, file).catch(() => undefined))
    const expected = 'append' in how ? /^(old|new)theirs$/ : /^theirs$/
    t.regex(await read(one), expected)
    t.regex(await read(other), expected)
  })
}
