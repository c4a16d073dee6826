import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import { realEnv } from '../network/env/real.ts'
import type { ClusterError } from '../network/errors.ts'
import { silentLog } from '../network/log.ts'
import { joinCluster } from '../network/membership/membership.ts'
import { claimDirectory } from '../network/membership/stamp.ts'
import { SocketTransport } from '../network/transport/socket.ts'
import type { ManagerInit, RunningManager } from './main.ts'
import { startManager } from './main.ts'

const env = realEnv()
const transports = [new SocketTransport(env)]

async function scratch(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-manager-'))
  t.teardown(() => rm(directory, { recursive: true }))
  return directory
}

function start(directory: string, more: Partial<ManagerInit> = {}): Promise<RunningManager> {
  return startManager({
    env,
    transports,
    addresses: ['tcp://127.0.0.1:0'],
    directory,
    serversWanted: 1,
    partitionCount: 16,
    replicaCount: 1,
    log: silentLog,
    ...more,
  })
}

function join1(manager: RunningManager, id?: string) {
  return joinCluster({
    env,
    transports,
    managers: manager.addresses,
    role: 'server',
    ...(id === undefined ? {} : { id }),
    name: 'a',
    addresses: ['tcp://127.0.0.1:7401'],
    host: 'h',
    domain: '',
    weight: 1,
    report: null,
    log: silentLog,
  })
}

test('cluster, members and view survive a restart', async t => {
  const directory = join(await scratch(t), 'manager')
  const first = await start(directory, {
    addresses: ['tcp://127.0.0.1:0', `unix:${directory}.sock`],
  })
  t.is(first.addresses.length, 2)
  const server = await join1(first)
  await server.viewNewerThan(0, 5_000)
  const { view, members } = first.status()
  await server.close()
  await first.close()

  const second = await start(directory, { partitionCount: 32, replicaCount: 2 })
  t.is(second.cluster, first.cluster)
  t.is(second.id, first.id)
  t.deepEqual(second.status().view, view)
  t.is(second.status().members[0]?.id, members[0]!.id)
  const again = await join1(second, server.id)
  t.is(again.partitionCount, 16)
  t.is(second.status().view?.epoch, 1)
  await again.close()
  await second.close()
})

test('a directory that a manager has open is in use, and free when it was closed', async t => {
  const directory = await scratch(t)
  const first = await start(directory)
  const error = await t.throwsAsync<ClusterError>(start(directory))
  t.is(error.code, 'IN_USE')
  t.true(error.message.includes(directory))
  await first.close()
  await first.close()
  await (await start(directory)).close()
})

test('an address that is taken is refused, and the directory let go', async t => {
  const parent = await scratch(t)
  const first = await start(join(parent, 'a'))
  const error = await t.throwsAsync<ClusterError>(
    start(join(parent, 'b'), { addresses: ['tcp://127.0.0.1:0', ...first.addresses] }),
  )
  t.is(error.code, 'IN_USE')
  await first.close()
  await (await start(join(parent, 'b'))).close()
})

test('an address that no transport knows is refused', async t => {
  const error = await t.throwsAsync<ClusterError>(
    start(await scratch(t), { addresses: ['pigeon:loft'] }),
  )
  t.is(error.code, 'UNREACHABLE')
  t.regex(error.message, /pigeon:loft.*tcp, unix/)
})

test("other files, a server's directory and a newer format are refused untouched", async t => {
  const parent = await scratch(t)
  await mkdir(join(parent, 'photos'))
  await writeFile(join(parent, 'photos', 'cat.jpg'), 'meow')
  t.is((await t.throwsAsync<ClusterError>(start(join(parent, 'photos')))).code, 'FOREIGN_DIRECTORY')
  t.is(await readFile(join(parent, 'photos', 'cat.jpg'), 'utf8'), 'meow')

  await claimDirectory(join(parent, 'server'), { role: 'server', id: 's', cluster: 'c' })
  t.is((await t.throwsAsync<ClusterError>(start(join(parent, 'server')))).code, 'FOREIGN_DIRECTORY')

  await mkdir(join(parent, 'newer'))
  await writeFile(join(parent, 'newer', 'rookery.json'), '{"format": 99}')
  t.is((await t.throwsAsync<ClusterError>(start(join(parent, 'newer')))).code, 'NEWER_FORMAT')
})

test('a stamped directory whose state is lost is an error, not a new cluster', async t => {
  const directory = await scratch(t)
  const manager = await start(directory)
  await manager.close()
  await rm(join(directory, 'state'), { recursive: true })
  const error = await t.throwsAsync<ClusterError>(start(directory))
  t.is(error.code, 'DISK')
  t.true(error.message.includes(manager.cluster))
})

test('the state of another cluster in a stamped directory is refused', async t => {
  const parent = await scratch(t)
  const first = await start(join(parent, 'a'))
  const second = await start(join(parent, 'b'))
  await first.close()
  await second.close()
  const stamp = await readFile(join(parent, 'a', 'rookery.json'))
  await writeFile(join(parent, 'b', 'rookery.json'), stamp)
  t.is((await t.throwsAsync<ClusterError>(start(join(parent, 'b')))).code, 'WRONG_CLUSTER')
})
