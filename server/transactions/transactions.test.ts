import test, { type ExecutionContext } from 'ava'
import { ClusterError, PosixError } from '../../network/errors.ts'
import { sessionTimeoutMs } from '../../network/limits.ts'
import { fileType } from '../../network/wire/attributes.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { KeyMutation } from '../metadata/contract.ts'
import { intentKey, isKeyOf, keyKind } from '../metadata/keys.ts'
import { faultsIn, treeIn } from '../testing/checker.ts'
import { client, TestCluster } from '../testing/cluster.ts'
import { link, makeDirectory, makeFile, remove, rename } from '../testing/tree.ts'

const noReplace = 1
const exchange = 2

/** /a in partition 1 and /b in partition 2, on different servers; /a/f and /b/g are files. */
async function makeWorld(seed = 1, slowestMs = 0) {
  const cluster = new TestCluster({ seed, servers: 2, partitions: 4, slowestMs })
  await cluster.start()
  const a = await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 1, 'a'))
  const b = await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 2, 'b'))
  const f = await makeFile(cluster, a, 'f')
  const g = await makeFile(cluster, b, 'g')
  return { cluster, a, b, f, g }
}

/** Entries of a directory, as name → ino. */
function entriesOf(cluster: TestCluster, directory: Ino): Record<string, Ino> {
  const tree = treeIn(cluster.contents.values())
  const path = [...tree].find(([, ino]) => ino === directory)?.[0]
  const below = [...tree].filter(([each]) => each.slice(0, each.lastIndexOf('/')) === path)
  return Object.fromEntries(
    below.map(([each, ino]) => [each.slice(each.lastIndexOf('/') + 1), ino]),
  )
}

async function whole(t: ExecutionContext, cluster: TestCluster): Promise<void> {
  await cluster.env.advance(3_000)
  t.deepEqual(faultsIn(cluster.contents.values()), [])
  for (const server of cluster.servers.values()) {
    t.is(server.locksHeld + server.participant.promisedCount + server.coordinator.activeCount, 0)
  }
}

function refusal(t: ExecutionContext, cluster: TestCluster, action: Promise<unknown>) {
  return t.throwsAsync(cluster.passing(action), { instanceOf: PosixError })
}

test('RENAME_NOREPLACE leaves an existing name alone, even for the same inode', async t => {
  const { cluster, a, b, f } = await makeWorld()
  const over = await refusal(t, cluster, rename(cluster, [a, 'f'], [b, 'g'], noReplace))
  t.is(over?.code, 'EEXIST')
  await cluster.passing(link(cluster, [b, 'l'], f))
  const same = await refusal(t, cluster, rename(cluster, [a, 'f'], [b, 'l'], noReplace))
  t.is(same?.code, 'EEXIST')
  await cluster.passing(rename(cluster, [a, 'f'], [b, 'h'], noReplace))
  t.is(entriesOf(cluster, b).h, f)
  await whole(t, cluster)
})

test('a rename that is to leave a whiteout leaves a character device 0:0 of its caller', async t => {
  const { cluster, a, b, f, g } = await makeWorld()
  const name = Buffer.from('f')
  const request = { parent: a, name, newParent: b, newName: Buffer.from('g'), flags: 0 }
  const whiteout = { uid: 7, gid: 8 }
  const moving = (more: object) => cluster.mutate('rename', 1, { ...request, ...more })
  const both = await refusal(t, cluster, moving({ whiteout, flags: exchange }))
  t.is(both?.code, 'EINVAL')
  await t.throwsAsync(cluster.passing(moving({ whiteout: { uid: 7 } })), { message: /MALFORMED/ })
  await cluster.passing(moving({ whiteout }))
  t.is(entriesOf(cluster, b).g, f)
  const ino = entriesOf(cluster, a).f!
  t.false([f, g].includes(ino))
  const left = await cluster.passing(cluster.ask('getattr', 1, { ino }))
  const { attributes } = left.body
  t.like(attributes, { mode: fileType.character, rdev: 0, nlink: 1, uid: 7, gid: 8 })
  await whole(t, cluster)
})

test('RENAME_EXCHANGE swaps files and directories of two partitions, and needs both', async t => {
  const { cluster, a, b, f, g } = await makeWorld()
  const d = await makeDirectory(cluster, a, 'd')
  await cluster.passing(rename(cluster, [a, 'f'], [b, 'g'], exchange))
  t.deepEqual(entriesOf(cluster, a), { d, f: g })
  await cluster.passing(rename(cluster, [b, 'g'], [a, 'd'], exchange))
  t.deepEqual(entriesOf(cluster, a), { d: f, f: g })
  t.deepEqual(entriesOf(cluster, b), { g: d })
  const missing = await refusal(t, cluster, rename(cluster, [a, 'f'], [b, 'none'], exchange))
  t.is(missing?.code, 'ENOENT')
  await whole(t, cluster)
})

test('an exchange that would put a directory below itself is refused', async t => {
  const { cluster, a } = await makeWorld()
  const c = await makeDirectory(cluster, a, 'c')
  const d = await makeDirectory(cluster, c, 'd')
  const name = cluster.nameIn(clusterRootIno, 1, 'a')
  for (const [from, to] of [
    [
      [clusterRootIno, name],
      [c, 'd'],
    ],
    [
      [c, 'd'],
      [clusterRootIno, name],
    ],
  ] as const) {
    t.is((await refusal(t, cluster, rename(cluster, from, to, exchange)))?.code, 'EINVAL')
  }
  t.is(entriesOf(cluster, c).d, d)
  await whole(t, cluster)
})

test('unknown rename flags are refused', async t => {
  const { cluster, a, b } = await makeWorld()
  const both = rename(cluster, [a, 'f'], [b, 'g'], noReplace | exchange)
  t.is((await refusal(t, cluster, both))?.code, 'EINVAL')
})

test('rename between two names of one inode does nothing', async t => {
  const { cluster, a, b, f, g } = await makeWorld()
  await cluster.passing(link(cluster, [b, 'l'], f))
  await cluster.passing(rename(cluster, [a, 'f'], [b, 'l']))
  t.deepEqual(entriesOf(cluster, a), { f })
  t.deepEqual(entriesOf(cluster, b), { g, l: f })
  await whole(t, cluster)
})

test('a directory does not take the place of its own parent', async t => {
  const { cluster, a } = await makeWorld()
  await cluster.passing(remove(cluster, 'unlink', a, 'f'))
  await makeDirectory(cluster, a, 'only')
  const name = cluster.nameIn(clusterRootIno, 1, 'a')
  const up = rename(cluster, [a, 'only'], [clusterRootIno, name])
  t.is((await refusal(t, cluster, up))?.code, 'ENOTEMPTY')
  await whole(t, cluster)
})

test('a file and a directory do not replace each other, nor anything a full directory', async t => {
  const { cluster, a, b } = await makeWorld()
  await makeDirectory(cluster, a, 'd')
  const e = await makeDirectory(cluster, b, 'e')
  await makeFile(cluster, e, 'x')
  t.is((await refusal(t, cluster, rename(cluster, [a, 'f'], [b, 'e'])))?.code, 'EISDIR')
  t.is((await refusal(t, cluster, rename(cluster, [a, 'd'], [b, 'g'])))?.code, 'ENOTDIR')
  t.is((await refusal(t, cluster, rename(cluster, [a, 'd'], [b, 'e'])))?.code, 'ENOTEMPTY')
  t.is((await refusal(t, cluster, remove(cluster, 'rmdir', b, 'e')))?.code, 'ENOTEMPTY')
  t.is((await refusal(t, cluster, remove(cluster, 'unlink', b, 'e')))?.code, 'EISDIR')
  t.is((await refusal(t, cluster, remove(cluster, 'rmdir', a, 'f')))?.code, 'ENOTDIR')
  t.is((await refusal(t, cluster, link(cluster, [a, 'l'], e)))?.code, 'EPERM')
  await whole(t, cluster)
})

test('a directory that was removed takes in no other one: ENOENT, as on a local disk', async t => {
  const { cluster, a, b } = await makeWorld()
  const moved = await makeDirectory(cluster, a, 'moved')
  const gone = await makeDirectory(cluster, b, 'gone')
  await cluster.passing(remove(cluster, 'rmdir', b, 'gone'))
  for (const flags of [0, exchange]) {
    const refused = await refusal(t, cluster, rename(cluster, [a, 'moved'], [gone, 'x'], flags))
    t.is(refused?.code, 'ENOENT')
  }
  t.is(entriesOf(cluster, a).moved, moved)
  await whole(t, cluster)
})

test('a directory is removed or replaced only when it is the one that was meant', async t => {
  const { cluster, a, b } = await makeWorld()
  const [one, other] = [
    await makeDirectory(cluster, a, 'one'),
    await makeDirectory(cluster, a, 'other'),
  ]
  const moved = await makeDirectory(cluster, b, 'moved')
  const [parent, name] = [a, Buffer.from('one')]
  const move = { parent: b, name: Buffer.from('moved'), newParent: a, flags: 0, meant: one }
  const stale = [
    cluster.names.mutate('rmdir', { parent, name, meant: other }),
    cluster.names.mutate('rename', { ...move, newName: Buffer.from('other') }),
    cluster.names.mutate('rename', { ...move, newName: Buffer.from('none') }),
  ]
  for (const attempt of stale) t.is((await refusal(t, cluster, attempt))?.code, 'ESTALE')
  t.like(entriesOf(cluster, a), { one, other })
  await cluster.passing(cluster.names.mutate('rename', { ...move, newName: name }))
  t.is(entriesOf(cluster, a).one, moved)
  await cluster.passing(cluster.names.mutate('rmdir', { parent, name, meant: moved }))
  t.is(entriesOf(cluster, a).one, undefined)
  await whole(t, cluster)
})

test('of two directories moved into each other at a time, one at most succeeds', async t => {
  for (let seed = 1; seed <= 20; seed++) {
    const { cluster, a, b } = await makeWorld(seed, 5)
    const c = await makeDirectory(cluster, a, 'c')
    const d = await makeDirectory(cluster, b, 'd')
    const moves = [
      rename(cluster, [a, 'c'], [d, 'in']),
      rename(cluster, [b, 'd'], [c, 'in']),
      rename(cluster, [clusterRootIno, cluster.nameIn(clusterRootIno, 1, 'a')], [c, 'up']),
    ]
    const results = await cluster.passing(Promise.allSettled(moves))
    t.is(results.filter(({ status }) => status === 'fulfilled').length, 1, `seed ${seed}`)
    await whole(t, cluster)
  }
})

test('a transaction is done once though its answer is lost', async t => {
  const { cluster, a, b, f } = await makeWorld()
  const server = cluster.serverOf(1)
  cluster.onStep = ({ what }) => {
    if (what === 'sends decide') cluster.crash(server.id)
  }
  const moved = rename(cluster, [a, 'f'], [b, 'h'])
  await cluster.env.advance(5)
  t.false(cluster.servers.has(server.id))
  cluster.onStep = () => undefined
  await cluster.startServer(server.id)
  await t.notThrowsAsync(cluster.passing(moved))
  t.is(entriesOf(cluster, b).h, f)
  await whole(t, cluster)
})

test('a participant that hears nothing of an abort asks, and lets go', async t => {
  const { cluster, a, b } = await makeWorld()
  const d = await makeDirectory(cluster, b, 'd')
  await makeFile(cluster, d, 'full')
  // Prepared in b's partition, then refused in d's own: the abort of the first is lost.
  await makeDirectory(cluster, a, 'e')
  await cluster.env.advance(100)
  cluster.loses = name => name === 'decide'
  t.is((await refusal(t, cluster, rename(cluster, [a, 'e'], [b, 'd'])))?.code, 'ENOTEMPTY')
  const locked = [...cluster.servers.values()].reduce((sum, each) => sum + each.locksHeld, 0)
  t.true(locked > 0)
  await whole(t, cluster)
})

test('an abort that overtakes its promise ends it all the same', async t => {
  const { cluster, a, f } = await makeWorld()
  const server = cluster.serverOf(1)
  const partition = server.partitions.get(1, 1)
  const transaction = 'ab'.repeat(16)
  await server.participant.decide(partition, transaction, false)
  const request = { transaction, coordinator: 2, leg: 'addLink', argument: { ino: f }, client: '' }
  await cluster.passing(server.participant.prepare(partition, request, 'other'))
  t.true(partition.locks.size > 0)
  await whole(t, cluster)
  t.is(server.store.get(intentKey(1, transaction)), undefined)
  t.is(partitionOfIno(a), 1)
})

test('legs of one transaction in one partition are one promise, carried out once', async t => {
  const { cluster, f } = await makeWorld()
  const server = cluster.serverOf(1)
  const partition = server.partitions.get(1, 1)
  const transaction = 'cd'.repeat(16)
  const request = { transaction, coordinator: 2, leg: 'addLink', argument: { ino: f }, client: '' }
  const prepare = () => server.participant.prepare(partition, request, 'other')
  const replies = await cluster.passing(Promise.all([prepare(), prepare()]))
  t.deepEqual(
    replies.map(reply => (reply as { nlink: number }).nlink),
    [2, 3],
  )
  t.is(server.participant.promisedCount, 1)
  await server.participant.decide(partition, transaction, false)
  await server.participant.decide(partition, transaction, true)
  await whole(t, cluster)
})

test('what another server says is checked before it is acted on', async t => {
  const { cluster } = await makeWorld()
  const server = cluster.serverOf(1)
  const partition = server.partitions.get(1, 1)
  const base = { transaction: 'ef'.repeat(16), coordinator: 2, client: '' }
  for (const wrong of [
    { leg: 'constructor', argument: {} },
    { leg: 'addLink', argument: { ino: 'one' } },
    { leg: 'placeEntry', argument: null },
  ]) {
    const refused = server.participant.prepare(partition, { ...base, ...wrong }, 'other')
    t.is((await t.throwsAsync(refused, { instanceOf: ClusterError }))?.code, 'MALFORMED')
  }
  t.is(server.participant.promisedCount + partition.locks.size, 0)
})

test('a commit whose outcome is unknown is not called an abort', async t => {
  const { cluster, a, b } = await makeWorld()
  const server = cluster.serverOf(1)
  const failing = server.store
  const { batch } = failing
  const told: string[] = []
  cluster.onStep = ({ what }) => told.push(what)
  // The batch reaches the disk, but an error is all that is heard of it.
  failing.batch = async (mutations, options) => {
    await batch.call(failing, mutations, options)
    if (mutations.some(isDecision)) throw new ClusterError('DISK', 'no answer from the disk')
  }
  const moved = rename(cluster, [a, 'f'], [b, 'h'])
  await t.throwsAsync(cluster.passing(moved), { code: 'DISK' })
  t.is(server.failures.length, 1)
  await cluster.env.advance(3_000)
  t.false(told.includes('sends decide'))
  cluster.crash(server.id)
  await cluster.startServer(server.id)
  t.true('h' in (await settledEntries(cluster, b)))
  await whole(t, cluster)
})

function isDecision({ key }: KeyMutation): boolean {
  return isKeyOf(key, keyKind.decision)
}

async function settledEntries(cluster: TestCluster, directory: Ino) {
  await cluster.env.advance(3_000)
  return entriesOf(cluster, directory)
}

test('a refusal waits until what it rests on is committed', async t => {
  const { cluster, b } = await makeWorld()
  const server = cluster.serverOf(2)
  server.store.hold()
  const created = makeFileSoon(cluster, b)
  let answered = false
  const removed = remove(cluster, 'rmdir', b, 'new').catch(error => {
    answered = true
    throw error
  })
  removed.catch(() => undefined)
  await cluster.env.advance(100)
  t.false(answered)
  server.store.release()
  t.is((await refusal(t, cluster, removed))?.code, 'ENOTDIR')
  await created
})

test('a refusal of a participant waits until what it rests on is committed', async t => {
  const { cluster, a } = await makeWorld()
  const d = await makeDirectory(cluster, a, cluster.nameIn(a, 2))
  const server = cluster.serverOf(2)
  server.store.hold()
  const created = makeFileSoon(cluster, d)
  let answered = false
  const removed = remove(cluster, 'rmdir', a, cluster.nameIn(a, 2)).finally(() => {
    answered = true
  })
  removed.catch(() => undefined)
  await cluster.env.advance(100)
  t.false(answered)
  server.store.release()
  t.is((await refusal(t, cluster, removed))?.code, 'ENOTEMPTY')
  await created
})

function makeFileSoon(cluster: TestCluster, parent: Ino): Promise<unknown> {
  const request = { parent, name: Buffer.from('new'), mode: 0o100644, uid: 0, gid: 0, rdev: 0 }
  const rest = { target: new Uint8Array(0), exclusive: true, open: false }
  return cluster.mutate('create', partitionOfIno(parent), { ...request, ...rest })
}

test('a file that is opened while its last name goes is kept, or the open fails', async t => {
  const outcomes = new Set<string>()
  for (let seed = 1; seed <= 40; seed++) {
    const { cluster, a, b, f } = await makeWorld(seed, 3)
    await cluster.passing(link(cluster, [b, 'l'], f))
    await cluster.passing(remove(cluster, 'unlink', a, 'f'))
    await cluster.env.advance(2 * sessionTimeoutMs)
    const removed = remove(cluster, 'unlink', b, 'l')
    const opened = cluster.env.timers
      .sleep(seed % 10)
      .then(() => cluster.ask('open', 1, openRequest(f)))
      .then(
        () => 'opened',
        error => (error as PosixError).code,
      )
    const outcome = await cluster.passing(opened)
    outcomes.add(outcome)
    await cluster.passing(removed)
    await cluster.env.advance(1_000)
    const kept = cluster.ask('getattr', 1, { ino: f }).then(
      ({ body }) => body.attributes.nlink,
      error => (error as PosixError).code,
    )
    t.is(await cluster.passing(kept), outcome === 'opened' ? 0 : 'ESTALE', `seed ${seed}`)
    t.deepEqual(faultsIn(cluster.contents.values()), [], `seed ${seed}`)
  }
  t.deepEqual([...outcomes].sort(), ['ESTALE', 'opened'])
})

function openRequest(ino: Ino) {
  return { ino, truncate: false, wantData: false, slot: 0, sequence: 0 }
}

test('a coordinator that does not answer holds up only its own promises', async t => {
  const cluster = new TestCluster({ servers: 3, partitions: 3 })
  await cluster.start()
  const parent = await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 1))
  const server = cluster.serverOf(1)
  const partition = server.partitions.get(1, 1)
  for (const [index, coordinator] of [0, 2].entries()) {
    const ino = await makeFile(cluster, parent, `f${index}`)
    const transaction = `${index}a`.repeat(16)
    const request = { transaction, coordinator, leg: 'addLink', argument: { ino }, client }
    await cluster.passing(server.participant.prepare(partition, request, 'other'))
  }
  cluster.loses = (name, to) => name === 'outcome' && to === 'server0'
  await cluster.env.advance(2_500)
  t.is(server.participant.promisedCount, 1)
  await cluster.env.advance(40_000)
  t.is(cluster.logged.filter(entry => JSON.stringify(entry).includes('learn')).length, 1)
  cluster.loses = () => false
  await cluster.env.advance(15_000)
  t.is(server.participant.promisedCount, 0)
})
