import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import { maxOpenInodes } from '../../network/limits.ts'
import { fileType } from '../../network/wire/attributes.ts'
import { clusterRootIno, makeIno } from '../../network/wire/ids.ts'
import { TestServers } from '../testing/servers.ts'
import type { ClusterClient } from './cluster.ts'

async function setUp(t: { teardown(close: () => Promise<void>): void }) {
  const cluster = await new TestServers(3, 6).start()
  const client = cluster.client()
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(async () => {
    await client.close()
    await cluster.stop()
    clearInterval(alive)
  })
  return { cluster, client }
}

function create(client: ClusterClient, name: string, open = false) {
  return client.mutate('create', 0, {
    parent: clusterRootIno,
    name: Buffer.from(name),
    mode: fileType.regular | 0o644,
    uid: 0,
    gid: 0,
    rdev: 0,
    target: Buffer.alloc(0),
    exclusive: true,
    open,
  })
}

test('a mutation whose reply was lost has its effect once, and the caller gets its reply', async t => {
  const { cluster, client } = await setUp(t)
  cluster.fail('create', { loseReply: true })
  const { body } = await create(client, 'a')
  t.true(body.created)
  t.is(cluster.count('create'), 2)
  const sent = cluster.calls
    .filter(call => call.name === 'create')
    .map(call => call.body as { slot: number; sequence: number })
  t.deepEqual(
    sent.map(({ slot, sequence }) => [slot, sequence]),
    [
      [0, 1],
      [0, 1],
    ],
  )
})

test('slots are used again with a higher sequence, the lowest first', async t => {
  const { cluster, client } = await setUp(t)
  await create(client, 'a')
  await Promise.all([create(client, 'b'), create(client, 'c')])
  const used = cluster.calls
    .filter(call => call.name === 'create')
    .map(call => call.body as { slot: number; sequence: number })
    .map(({ slot, sequence }) => [slot, sequence])
  t.deepEqual(used, [
    [0, 1],
    [0, 2],
    [1, 1],
  ])
})

test('a partition that moved unannounced is found by the view of who refused', async t => {
  const { cluster, client } = await setUp(t)
  await create(client, 'a')
  cluster.move(0, 's2', false)
  await create(client, 'b')
  t.is(cluster.calls.at(-1)?.server, 's2')
  t.is(client.view.partitions[0]?.primary, 's2')
})

test('errors without effect are retried, errors of programs are not', async t => {
  const { cluster, client } = await setUp(t)
  cluster.fail(
    'create',
    { error: new ClusterError('NOT_READY', 'soon') },
    { error: new ClusterError('CONFLICT', 'again') },
    { error: new ClusterError('OVERLOADED', 'later') },
  )
  await create(client, 'a')
  t.is(cluster.count('create'), 4)
  await t.throwsAsync(create(client, 'a'), { code: 'EEXIST' })
  t.is(cluster.count('create'), 5)
})

test('an error that says nothing to a program is EIO and names server and reason', async t => {
  const { cluster, client } = await setUp(t)
  cluster.fail('getattr', { error: new ClusterError('DISK', 'sector 7') })
  const error = await t.throwsAsync(client.query('getattr', 0, { ino: clusterRootIno }))
  t.regex(error?.message ?? '', /^EIO: getattr at s0: DISK: sector 7/)
})

test('a server that is back is dialled again and told what is open', async t => {
  const { cluster, client } = await setUp(t)
  const { ino } = (await create(client, 'a', true)).body.attributes
  await cluster.stopServer('s0')
  cluster.sessions.clear()
  const asking = client.query('getattr', 0, { ino })
  await cluster.startServer('s0')
  await asking
  t.deepEqual(cluster.sessions.get('s0 c0'), [{ ino, count: 1 }])
})

test('a server that forgot the session is told again what is open, and the call goes on', async t => {
  const { cluster, client } = await setUp(t)
  const { ino } = (await create(client, 'a', true)).body.attributes
  cluster.sessions.clear()
  await create(client, 'b')
  t.deepEqual(cluster.sessions.get('s0 c0'), [{ ino, count: 1 }])
})

test('a mutation of unknown outcome is not repeated into a session that forgot it', async t => {
  const { cluster, client } = await setUp(t)
  await create(client, 'a')
  cluster.fail(
    'create',
    { loseReply: true },
    { error: new ClusterError('SESSION_EXPIRED', 'who are you') },
  )
  const error = await t.throwsAsync(create(client, 'b'))
  t.regex(error?.message ?? '', /outcome unknown/)
  t.is(cluster.count('create'), 3)
})

test('the new primary of a partition learns what is open there', async t => {
  const { cluster, client } = await setUp(t)
  const { ino } = (await create(client, 'a', true)).body.attributes
  cluster.move(0, 's1', true)
  await client.query('getattr', 0, { ino })
  t.deepEqual(cluster.sessions.get('s1 c0'), [{ ino, count: 1 }])
})

test('a client opens no more files than a session has room to tell of', async t => {
  const { cluster, client } = await setUp(t)
  for (let i = 0; i < maxOpenInodes - 1; i++) client.opens.add(makeIno(i % 2 ? 3 : 0, 2 ** 39 + i))
  const opening = await Promise.allSettled([create(client, 'a', true), create(client, 'b', true)])
  t.deepEqual(
    opening.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
  await t.throwsAsync(create(client, 'c', true), { code: 'ENFILE' })
  await create(client, 'c')
  await cluster.stopServer('s0')
  await cluster.startServer('s0')
  await client.query('getattr', 0, { ino: clusterRootIno })
  t.is(cluster.sessions.get('s0 c0')?.length, maxOpenInodes)
})

test('a closed client fails its calls at once', async t => {
  const { client } = await setUp(t)
  await client.close()
  await t.throwsAsync(create(client, 'a'), { code: 'EIO' })
})

test('a file that is being opened when a session is renewed is counted once', async t => {
  const { cluster, client } = await setUp(t)
  const { ino } = (await create(client, 'a')).body.attributes
  const request = { ino, truncate: false, wantData: false }
  // Of a partition whose moves have the session renewed.
  const other = makeIno(3, 9)
  client.opens.add(other)
  const sessions = cluster.count('session')
  cluster.fail('open', { before: () => cluster.move(3, 's0', true) })
  const first = client.mutate('open', 0, request)
  await first
  await client.mutate('open', 0, request)
  client.opens.release(ino)
  await client.mutate('open', 0, request)
  cluster.move(3, 's0', true)
  await client.query('getattr', 0, { ino })
  t.true(cluster.count('session') > sessions)
  // The release may have left before the session request, which then says one less.
  const names = cluster.calls.filter(call => call.server === 's0').map(call => call.name)
  const released = names.slice(0, names.lastIndexOf('session')).includes('release')
  const opens = [
    { ino: other, count: 1 },
    { ino, count: released ? 2 : 3 },
  ]
  t.deepEqual(cluster.sessions.get('s0 c0'), opens)
})
