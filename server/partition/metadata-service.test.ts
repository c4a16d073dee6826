import test from 'ava'
import { operationDeadlineMs } from '../../network/limits.ts'
import type { Handler } from '../../network/rpc/contract.ts'
import { clusterRootIno } from '../../network/wire/ids.ts'
import type { OperationName, RequestOf } from '../../network/wire/operations.ts'
import { inodeKey } from '../metadata/keys.ts'
import { client, TestCluster } from '../testing/cluster.ts'
import { makeDirectory, makeFile, remove } from '../testing/tree.ts'

async function makeWorld() {
  const cluster = new TestCluster({ servers: 1, partitions: 1 })
  await cluster.start()
  const server = cluster.serverOf(0)
  server.sessions.renew(client, [])
  /** One attempt, as it comes from the wire; says later how it ended. */
  const request = <N extends OperationName>(name: N, body: RequestOf<N>) => {
    const handler = server.service[name] as Handler<N>
    const peer = { hello: { role: 'client', id: client } } as Parameters<typeof handler>[0]['peer']
    const outcome = { state: 'waiting', value: undefined as unknown }
    const reply = (async () => handler({ peer, partition: 0, epoch: 1, body, payload: [] }))()
    reply.then(
      value => Object.assign(outcome, { state: 'answered', value }),
      error => Object.assign(outcome, { state: 'refused', value: error }),
    )
    return { outcome, reply }
  }
  return { cluster, server, partition: server.partitions.get(0, 1), request }
}

const parent = clusterRootIno
const name = Buffer.from('f')
const base = { parent, name, mode: 0o100644, uid: 0, gid: 0, rdev: 0, target: new Uint8Array(0) }
const createF = { ...base, exclusive: true, open: false, slot: 0, sequence: 1 }

test('answers and refusals wait until what they rest on is committed', async t => {
  const { cluster, server, request } = await makeWorld()
  server.store.hold()
  const requests = [
    request('create', createF),
    request('lookup', { parent, name }),
    request('create', { ...createF, slot: 1 }),
    request('create', { ...createF, slot: 2, exclusive: false }),
    request('readdirplus', { ino: parent, cookie: 0, limitBytes: 1000 }),
    request('unlink', { parent, name, slot: 3, sequence: 1 }),
  ]
  await cluster.env.advance(100)
  t.deepEqual(
    requests.map(({ outcome }) => outcome.state),
    requests.map(() => 'waiting'),
  )
  server.store.release()
  await cluster.env.advance(1)
  t.deepEqual(
    requests.map(({ outcome }) => outcome.state),
    ['answered', 'answered', 'refused', 'answered', 'answered', 'answered'],
  )
})

test('what rests on nothing new is answered at once', async t => {
  const { cluster, server, request } = await makeWorld()
  const ino = await makeFile(cluster, parent, 'old')
  server.store.hold()
  request('create', createF)
  const { outcome } = request('getattr', { ino })
  await cluster.env.advance(0)
  t.is(outcome.state, 'answered')
})

test('a directory that was read after a wait is told when what was seen is committed', async t => {
  const { cluster, server, partition, request } = await makeWorld()
  const key = inodeKey(0, parent)
  partition.locks.acquire([key], 'transaction')
  const { outcome } = request('readdir', { ino: parent, cookie: 0, limitBytes: 1000 })
  await cluster.env.advance(10)
  server.store.hold()
  partition.locks.release([key], 'transaction')
  request('create', createF)
  await cluster.env.advance(10)
  t.is(outcome.state, 'waiting')
  server.store.release()
  await cluster.env.advance(1)
  t.is(outcome.state, 'answered')
})

test('a refusal to read a directory waits as well', async t => {
  const { cluster, server, request } = await makeWorld()
  server.store.hold()
  request('create', createF)
  const { outcome } = request('readdir', { ino: 16, cookie: 0, limitBytes: 1000 })
  await cluster.env.advance(10)
  t.is(outcome.state, 'waiting')
  server.store.release()
  await cluster.env.advance(1)
  t.like(outcome, { state: 'refused', value: { code: 'ENOTDIR' } })
})

test('an operation that meets a locked key runs again when it is released', async t => {
  const { cluster, partition, request } = await makeWorld()
  const key = inodeKey(0, parent)
  partition.locks.acquire([key], 'one')
  const made = request('create', createF)
  await cluster.env.advance(100)
  partition.locks.release([key], 'one')
  partition.locks.acquire([key], 'two')
  await cluster.env.advance(100)
  t.is(made.outcome.state, 'waiting')
  partition.locks.release([key], 'two')
  await cluster.env.advance(1)
  t.like(made.outcome, { state: 'answered', value: { body: { created: true } } })
})

test('an operation does not wait for a locked key for ever', async t => {
  const { cluster, partition, request } = await makeWorld()
  partition.locks.acquire([inodeKey(0, parent)], 'one')
  const { outcome } = request('create', createF)
  const listed = request('readdir', { ino: parent, cookie: 0, limitBytes: 1000 })
  await cluster.env.advance(operationDeadlineMs / 2 + 10)
  t.like(outcome, { state: 'refused', value: { code: 'CONFLICT' } })
  t.like(listed.outcome, { state: 'refused', value: { code: 'CONFLICT' } })
})

test('a full disk takes nothing new, lets go of the old, and still answers repeats', async t => {
  const { cluster, server, request } = await makeWorld()
  await makeFile(cluster, parent, 'old')
  await request('create', createF).reply
  server.isFull = true
  const next = { ...createF, name: Buffer.from('g'), sequence: 2, slot: 9 }
  await t.throwsAsync(request('create', next).reply, { message: /ENOSPC/ })
  const made = { parent, name: Buffer.from('d'), mode: 0o755, uid: 0, gid: 0 }
  const refused = request('mkdir', { ...made, slot: 10, sequence: 1 }).reply
  await t.throwsAsync(refused, { message: /ENOSPC/ })
  const repeat = await request('create', createF).reply
  t.true(repeat.body.created)
  const block = { ino: 16, generation: 1, block: 0, ranges: [0, 10], checksums: new Uint8Array(8) }
  const written = request('writeBlock', { ...block, slot: 11, sequence: 1 }).reply
  await t.throwsAsync(written, { message: /ENOSPC/ })
  await t.notThrowsAsync(cluster.passing(remove(cluster, 'unlink', parent, 'old')))
})

test('no directory is made on a full disk for another server', async t => {
  const cluster = new TestCluster({ servers: 2, partitions: 2 })
  await cluster.start()
  cluster.serverOf(1).isFull = true
  const made = makeDirectory(cluster, parent, cluster.nameIn(parent, 1))
  await t.throwsAsync(made, { message: /ENOSPC/ })
  await t.notThrowsAsync(makeDirectory(cluster, parent, cluster.nameIn(parent, 0)))
})

test('a disk that fails refuses what waits and all that follows, and is told once', async t => {
  const { cluster, server, request } = await makeWorld()
  server.store.failWith(new Error('broken'))
  const first = request('create', createF)
  await cluster.env.advance(1)
  const second = request('create', { ...createF, slot: 1, name: Buffer.from('g') })
  await cluster.env.advance(1)
  t.is(first.outcome.state, 'refused')
  t.is(second.outcome.state, 'refused')
  t.is(server.failures.length, 1)
})

test('what lies in another partition is refused, whatever is asked of it', async t => {
  const cluster = new TestCluster({ servers: 1, partitions: 2 })
  await cluster.start()
  const server = cluster.serverOf(0)
  server.sessions.renew(client, [])
  const directory = await makeDirectory(cluster, parent, cluster.nameIn(parent, 1))
  const ino = await makeFile(cluster, directory, 'f')
  const before = new Map(server.store.content)
  const ask = async (operation: OperationName, body: object) => {
    const handler = server.service[operation] as Handler<OperationName>
    const peer = { hello: { role: 'client', id: client } }
    const incoming = { peer, partition: 0, epoch: 1, body, payload: [] }
    return await handler(incoming as unknown as Parameters<typeof handler>[0])
  }
  const { parent: _, ...rest } = createF
  const ofInodes = [
    ...(['getattr', 'setattr', 'open', 'readInline', 'writeInline', 'reserve'] as const),
    ...(['commitWrite', 'getxattr', 'setxattr', 'removexattr', 'readlink', 'shards'] as const),
  ]
  for (const name of ofInodes) {
    await t.throwsAsync(ask(name, { ...rest, ino, truncate: true }), { code: 'MALFORMED' }, name)
  }
  for (const name of ['lookup', 'create', 'mkdir', 'unlink', 'rmdir', 'rename', 'link'] as const) {
    const body = { ...rest, parent: directory, ino: parent, flags: 0 }
    await t.throwsAsync(ask(name, body), { code: 'MISPLACED' }, name)
  }
  const listing = { ino: directory, cookie: 0, limitBytes: 100 }
  await t.throwsAsync(ask('readdir', listing), { code: 'MISPLACED' })
  await t.throwsAsync(ask('readdirplus', listing), { code: 'MISPLACED' })
  // A link and a rename may name other partitions beside their own, but none that does not exist.
  const link = { ...rest, parent, ino: 2 ** 50 }
  await t.throwsAsync(ask('link', link), { code: 'MALFORMED' })
  t.deepEqual(new Map(server.store.content), before)
})
