import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createVolume } from '../../client/fs/volumes.ts'
import { type Connection, connect } from '../../client/library.ts'
import { connectClient } from '../../client/main.ts'
import { startManager } from '../../manager/main.ts'
import { realEnv } from '../../network/env/real.ts'
import { silentLog as log } from '../../network/log.ts'
import { SocketTransport } from '../../network/transport/socket.ts'
import { type RunningServer, startServer } from '../../server/main.ts'

const env = realEnv()
const transports = [new SocketTransport(env)]

/** A manager and three servers in this process, over Unix sockets, with a volume `v`. */
async function setUp(t: ExecutionContext) {
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  const top = await mkdtemp(join(tmpdir(), 'rookery-library-'))
  const manager = await startManager({
    env,
    log,
    transports,
    addresses: [`unix:${top}/manager.sock`],
    directory: join(top, 'manager'),
    partitionCount: 64,
    replicaCount: 1,
    serversWanted: 3,
  })
  const managers = manager.addresses
  const start = (name: string): Promise<RunningServer> =>
    startServer({
      env,
      log,
      transports,
      managers,
      name,
      addresses: [`unix:${top}/${name}.sock`],
      domain: '',
      metaDirectory: join(top, `${name}-meta`),
      dataDirectory: join(top, `${name}-data`),
    })
  const servers = new Map<string, RunningServer>()
  for (const name of ['a', 'b', 'c']) servers.set(name, await start(name))
  const connections: Connection[] = []
  t.teardown(async () => {
    for (const connection of connections) await connection.close()
    for (const server of servers.values()) await server.close()
    await manager.close()
    await rm(top, { recursive: true })
    clearInterval(alive)
  })
  const cluster = await connectClient({ env, log, managers })
  await createVolume(cluster, 'v', { blockBytes: 65_536 })
  await cluster.close()
  return {
    connection: async () => {
      const connection = await connect({ managers, volume: 'v', log })
      connections.push(connection)
      return connection
    },
    restart: async (name: string) => {
      await servers.get(name)!.close()
      servers.set(name, await start(name))
    },
  }
}

test('a file that grows, shrinks and has holes reads the same from another client', async t => {
  const { connection } = await setUp(t)
  const [one, other] = [await connection(), await connection()]
  await one.writeFile('/f', 'a'.repeat(5000))
  await one.appendFile('/f', 'b'.repeat(5000))
  await one.appendFile('/f', 'c'.repeat(500_000))
  t.is(
    await other.readFile('/f', 'latin1'),
    'a'.repeat(5000) + 'b'.repeat(5000) + 'c'.repeat(500_000),
  )
  await other.truncate('/f', 7000)
  await one.truncate('/f', 9000)
  t.is(
    await other.readFile('/f', 'latin1'),
    `${'a'.repeat(5000)}${'b'.repeat(2000)}${'\0'.repeat(2000)}`,
  )
  const sparse = await one.open('/sparse', 'w')
  await sparse.write('end', 700_000)
  await sparse.close()
  const seen = await other.readFile('/sparse', 'latin1')
  t.true(seen === `${'\0'.repeat(700_000)}end`)
})

test('appends of several clients to one file are whole and none is lost', async t => {
  const { connection } = await setUp(t)
  const clients = [await connection(), await connection()]
  await clients[0]!.writeFile('/log', '')
  const run = async (client: Connection, who: number) => {
    for (let index = 1; index <= 10; index++) {
      await client.appendFile('/log', Buffer.alloc(3000, who * 10 + index))
    }
  }
  await Promise.all([run(clients[0]!, 0), run(clients[1]!, 1), run(clients[0]!, 2)])
  const log = await clients[1]!.readFile('/log')
  t.is(log.length, 30 * 3000)
  const seen = new Set<number>()
  for (let at = 0; at < log.length; at += 3000) {
    t.true(log.subarray(at, at + 3000).every(byte => byte === log[at]))
    seen.add(log[at]!)
  }
  t.is(seen.size, 30)
})

test('while servers restart, creates have their effect once and open files live on unlinked', async t => {
  const { connection, restart } = await setUp(t)
  const files = await connection()
  await files.mkdir('/d')
  const small = await files.open('/d/small', 'w+')
  const large = await files.open('/d/large', 'w+')
  await small.write('small')
  await large.write('x'.repeat(200_000))
  await files.unlink('/d/small')
  await files.unlink('/d/large')
  let running = true
  const creating = (async () => {
    let created = 0
    // Exclusive: a repeat that had its effect twice would be EEXIST.
    for (; running; created++) await files.writeFile(`/d/${created}`, `${created}`, { flag: 'wx' })
    return created
  })()
  for (const name of ['a', 'b', 'c']) await restart(name)
  running = false
  const created = await creating
  t.is((await files.readdir('/d')).length, created)
  for (let index = 0; index < created; index++) {
    t.is(await files.readFile(`/d/${index}`, 'utf8'), `${index}`)
  }
  t.is((await small.read(Buffer.alloc(10), 0, 10, 0)).bytesRead, 5)
  t.is((await large.read(Buffer.alloc(300_000), 0, 300_000, 0)).bytesRead, 200_000)
  await small.close()
  await large.close()
})
