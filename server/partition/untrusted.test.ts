/** Peers are not trusted: whatever their fields hold, the server stays up and what it keeps can be read. */
import test from 'ava'
import type { Handler, Incoming } from '../../network/rpc/contract.ts'
import { recordsOf } from '../../network/wire/directory-records.ts'
import { clusterRootIno } from '../../network/wire/ids.ts'
import { entriesOfListed } from '../../network/wire/listed-records.ts'
import type { OperationName } from '../../network/wire/operations.ts'
import { accessAclName, defaultAclName } from '../../network/wire/xattr-names.ts'
import { faultsIn } from '../testing/checker.ts'
import { client, TestCluster } from '../testing/cluster.ts'

const parent = clusterRootIno
const name = Buffer.from('kept')
const slots = { slot: 0, sequence: 1 }

async function makeWorld() {
  const cluster = new TestCluster({ servers: 1, partitions: 1 })
  await cluster.start()
  const server = cluster.serverOf(0)
  server.sessions.renew(client, [])
  const call = async (operation: OperationName, body: unknown): Promise<unknown> => {
    const handler = server.service[operation] as Handler<OperationName>
    const peer = { hello: { role: 'client', id: client } }
    return await handler({
      peer,
      partition: 0,
      epoch: 1,
      body,
      payload: [],
    } as unknown as Incoming<OperationName>)
  }
  return { cluster, server, call }
}

const base = { parent, name, mode: 0o100644, uid: 1, gid: 1, rdev: 0, target: new Uint8Array(0) }
const createKept = { ...base, exclusive: true, open: false, ...slots }

test('setattr refuses what an inode cannot hold, and changes nothing', async t => {
  const { call } = await makeWorld()
  const created = (await call('create', createKept)) as { body: { attributes: { ino: number } } }
  const { ino } = created.body.attributes
  const bad = [
    ...[-1, 1.5, 2 ** 32 - 1, '0', null, Number.NaN, {}].flatMap(uid => [{ uid }, { gid: uid }]),
    ...[-1, 0.5, 2 ** 16, '7', Number.NaN, 1n].map(mode => ({ mode })),
    ...[-1, 0.5, 2 ** 53, '7', Number.POSITIVE_INFINITY, 1n].map(size => ({ size })),
    ...[0, 'later', 2n ** 63n, null].flatMap(at => [{ atimeNs: at }, { mtimeNs: at }]),
    { ctimeNs: 'now' },
  ]
  for (const [index, changes] of bad.entries()) {
    const body = { ino, ...changes, slot: 0, sequence: index + 2 }
    await t.throwsAsync(call('setattr', body), { code: 'EINVAL' }, Object.keys(changes)[0])
  }
  const { body } = (await call('getattr', { ino })) as { body: { attributes: unknown } }
  t.deepEqual(body.attributes, created.body.attributes)
})

test('create and mkdir refuse what an inode cannot hold, and names that are no bytes', async t => {
  const { call } = await makeWorld()
  const owners = [-1, 1.5, 2 ** 32 - 1, '0', null, Number.NaN]
  const bad = [
    ...owners.flatMap(owner => [{ uid: owner }, { gid: owner }]),
    ...[-1, 0o100644 + 0.5, 2 ** 16 + 0o100644, '33188'].map(mode => ({ mode })),
  ]
  let sequence = 0
  for (const changes of bad) {
    for (const operation of ['create', 'mkdir'] as const) {
      const body = { ...createKept, ...changes, sequence: ++sequence }
      await t.throwsAsync(call(operation, body), { code: 'EINVAL' }, operation)
    }
  }
  for (const wrong of ['kept', [107], 7]) {
    const body = { ...createKept, name: wrong, sequence: ++sequence }
    await t.throwsAsync(call('create', body), { any: true }, String(wrong))
  }
  for (const rdev of [-1, 0.5, 2 ** 32, '1']) {
    const body = { ...createKept, rdev, sequence: ++sequence }
    await t.throwsAsync(call('create', body), { code: 'EINVAL' })
  }
  await t.notThrowsAsync(call('create', { ...createKept, sequence: ++sequence }))
})

const operations = [
  ...([
    'lookup',
    'getattr',
    'setattr',
    'create',
    'link',
    'unlink',
    'readdir',
    'readdirplus',
    'rename',
  ] as const),
  ...(['getxattr', 'setxattr', 'listxattr', 'removexattr'] as const),
  ...(['open', 'reserve', 'commitWrite', 'writeInline', 'punchInline', 'readInline'] as const),
  ...(['createTemporary', 'accessed', 'punchBlocks', 'seekBlocks', 'release'] as const),
  ...(['mkdir', 'rmdir', 'readlink', 'shards', 'session'] as const),
  ...(['testLock', 'setLock', 'cancelLock', 'awaitLocks', 'reclaimLocks'] as const),
]
const fields = [
  ...['ino', 'parent', 'name', 'newParent', 'newName', 'mode', 'uid', 'gid', 'rdev', 'size'],
  ...['target', 'atimeNs', 'mtimeNs', 'ctimeNs', 'flags', 'value', 'cookie', 'limitBytes', 'quiet'],
  ...['exclusive', 'open', 'killPrivileges', 'offset', 'length', 'reach', 'end', 'generation'],
  ...['cuts', 'spilled', 'expectedSize', 'allocated', 'append', 'checksum', 'linkable', 'umask'],
  ...['block', 'endBlock', 'endOffset', 'hole', 'truncate', 'wantData', 'inos', 'opens'],
  ...['accesses'],
  ...['flock', 'owner', 'type', 'start', 'pid', 'wait', 'told', 'owners', 'waits', 'whiteout'],
]
const ofData = {
  ...{ offset: 0, length: 10, reach: 1, end: 10, generation: 1, cuts: 0, spilled: 1 },
  ...{ expectedSize: -1, allocated: 4096, append: false, linkable: true, umask: 0, block: 0 },
}
const ofLocks = { flock: false, owner: 1n, type: 1, start: 0n, end: 9n, pid: 1, wait: 0, told: 0 }
const xattrNames = ['user.a', accessAclName, defaultAclName].map(each => Buffer.from(each))
const values: readonly unknown[] = [
  ...[
    undefined,
    null,
    true,
    -1,
    0,
    1.5,
    7,
    16,
    2 ** 16,
    2 ** 32,
    2 ** 53,
    Number.NaN,
    1n,
    -(2n ** 63n),
  ],
  ...[
    '',
    'now',
    'x',
    {},
    [],
    parent,
    name,
    Buffer.alloc(0),
    Buffer.alloc(300, 'x'),
    0o40755,
    0o100644,
  ],
]

test('fields of any kind leave the server up and its records readable', async t => {
  const { cluster, server, call } = await makeWorld()
  const created = (await call('create', createKept)) as { body: { attributes: { ino: number } } }
  const file = created.body.attributes.ino
  const { random } = cluster.env
  const any = <T>(list: readonly T[]): T => list[random.integer(list.length)]!
  for (let round = 0; round < 8000; round++) {
    const operation = any(operations)
    const body: Record<string, unknown> = {
      ...createKept,
      ...ofData,
      ...(operation.includes('Lock') && { ...ofLocks, owners: [], waits: [] }),
      value: Buffer.from('0200', 'hex'),
      ino: round % 2 === 0 ? parent : file,
      name: operation.endsWith('xattr') ? any(xattrNames) : Buffer.from(`n${round % 400}`),
      slot: round % 16,
      sequence: round + 2,
      flags: 0,
    }
    // A slot that has seen a high sequence takes nothing more: these come last.
    const kinds = round < 7700 ? fields : [...fields, 'slot', 'sequence']
    for (let count = 1 + random.integer(3); count > 0; count--) body[any(kinds)] = any(values)
    if (!(operation in server.service)) continue
    // Whatever is thrown is an Error: the peer is told, as the RPC layer does.
    void call(operation, body).catch(error => t.true(error instanceof Error, operation))
    if (round % 8 === 0) await cluster.env.advance(10)
  }
  await cluster.env.advance(60_000)
  // What was still open under no name goes now, and its blocks a little later.
  server.sessions.renew(client, [])
  await cluster.env.advance(5_000)
  const reply = await call('readdirplus', { ino: parent, cookie: 0, limitBytes: 1_000_000 })
  const { payload } = reply as { payload: readonly Uint8Array[] }
  const entries = entriesOfListed(recordsOf(payload))
  for (const { ino } of entries) {
    await call('getattr', { ino })
  }
  t.true(entries.length > 20, `${entries.length} entries`)
  t.deepEqual(faultsIn(cluster.contents.values()), [])
})
