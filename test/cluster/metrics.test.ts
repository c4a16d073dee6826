import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import test from 'ava'
import { readExposition, type Scraped } from '../../cli/exposition.test-support.ts'
import { eventually } from './eventually.ts'
import { testMounted } from './fuse.ts'
import { type Machine, makeMachines, printed, type Running } from './machines.ts'
import { type ProcessCluster, startCluster } from './processes.ts'

/** Of a member, as its log has it. */
async function urlOf(cluster: ProcessCluster, role: string): Promise<string> {
  const log = await readFile(`${cluster.home}/log/${role}.log`, 'utf8')
  const found = [...log.matchAll(/"url":"(http:[^"]+)"/g)].at(-1)?.[1]
  if (found === undefined) throw new Error(`${role} does not say where it serves HTTP`)
  return found
}

async function scrape(url: string): Promise<Scraped> {
  return readExposition(await (await fetch(`${url}metrics`)).text())
}

/** All values of a name, whatever its labels, added up. */
function total({ values }: Scraped, name: string): number {
  let sum = 0
  for (const [key, value] of values) if (key.split('{')[0] === name) sum += value
  return sum
}

testMounted(
  'counters of a cluster move with what programs do, and its page tells of it',
  async t => {
    const cluster = await startCluster(t, { options: ['--http', '0'] })
    const page = await urlOf(cluster, 'manager')
    const mount = await urlOf(cluster, 'mount')
    const servers = await Promise.all(['server-1', 'server-2'].map(role => urlOf(cluster, role)))
    const ofServers = async (name: string) =>
      (await Promise.all(servers.map(scrape))).reduce((sum, one) => sum + total(one, name), 0)

    const before = await scrape(mount)
    const created = await ofServers('rookery_store_written_bytes_total')
    const bytes = 3 * 1024 * 1024
    await writeFile(`${cluster.mountpoint}/file`, Buffer.alloc(bytes, 7))
    t.is((await readFile(`${cluster.mountpoint}/file`)).length, bytes)

    const after = await scrape(mount)
    const moved = (name: string) => total(after, name) - total(before, name)
    t.true(moved('rookery_file_written_bytes_total') >= bytes)
    t.true(after.values.get('rookery_fuse_seconds_count{operation="create"}')! >= 1)
    t.true(moved('rookery_rpc_made_total') > 0)
    t.true((await ofServers('rookery_store_written_bytes_total')) - created >= bytes)
    t.true((await ofServers('rookery_rpc_served_seconds_count')) > 0)
    t.is(await ofServers('rookery_partitions_held'), 256)
    t.true((await ofServers('rookery_sessions')) > 0)

    await eventually('the manager has heard of all', async () => {
      const heard = await scrape(page)
      return total(heard, 'rookery_server_up') === 2 && total(heard, 'rookery_clients') === 1
    })
    const manager = await scrape(page)
    const refused = total(manager, 'rookery_refused_total')
    t.is(refused, 0)
    t.true(manager.values.get('rookery_rpc_served_total{operation="heartbeat",result="ok"}')! > 0)

    const shown = await fetch(page)
    t.regex(shown.headers.get('content-type') ?? '', /^text\/html/)
    t.regex(await shown.text(), /server-2/)
    const { stdout } = await cluster.rookery('status', '--home', cluster.home)
    t.true(stdout.includes(`page: ${page}`), stdout)

    const { stdout: json } = await cluster.rookery('status', '--json', '--home', cluster.home)
    t.true(json.length > 65_536, 'it is more than a pipe holds')
    t.is(JSON.parse(json).page, page)

    await cluster.stop('server-2', 'SIGSTOP')
    await eventually('the page tells of the server that is silent', async () =>
      /1 server down, \d+ partitions with it/.test(await (await fetch(page)).text()),
    )
    await cluster.stop('server-2', 'SIGCONT')
  },
)

testMounted('without --http nothing is served', async t => {
  const cluster = await startCluster(t)
  await t.throwsAsync(urlOf(cluster, 'manager'))
  const { stdout } = await cluster.rookery('status', '--home', cluster.home)
  t.notRegex(stdout, /page:/)
})

/** Refused by a process, for this reason. */
async function refusals({ text }: Running, reason: string): Promise<number> {
  const url = /"url":"(http:[^"]+)"/.exec(text)![1]!
  return (await scrape(url)).values.get(`rookery_refusals_total{reason="${reason}"}`) ?? Number.NaN
}

test('noise from the network and bad tokens show in the counters of refusals', async t => {
  t.timeout(600_000)
  const [boss, disks, thief] = (await makeMachines(t, { names: ['a', 'b', 'c'] })) as [
    Machine,
    Machine,
    Machine,
  ]
  const listen = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0']
  const manager = boss.start(
    ...['manager', '--dir', boss.home, '--partitions', '16', '--no-mdns', '--servers', '1'],
    ...listen,
  )
  await manager.says('manager is up')
  await manager.says('"url"')
  const token = await printed(t, boss.rookery(['token', 'create']))
  const on = ({ directory }: Machine) => [
    ...['--meta-dir', `${directory}/meta`, '--data-dir', `${directory}/data`],
  ]
  const server = disks.start('join', token, ...on(disks), ...listen)
  await server.says('the server is up')
  await server.says('"url"')

  t.is(await refusals(server, 'malformed'), 0)
  const port = Number(/tcp:\/\/127\.0\.0\.1:(\d+)/.exec(server.text)![1])
  const noise = createConnection({ host: '127.0.0.1', port })
  noise.on('error', () => undefined).resume()
  noise.write('GET / HTTP/1.1\r\nHost: somebody\r\n\r\n')
  await once(noise, 'close')
  await eventually('noise is counted', async () => (await refusals(server, 'malformed')) === 1)

  t.is(await refusals(manager, 'bad_token'), 0)
  const stolen = await thief.rookery(['join'], token, ...on(thief), '--listen', '127.0.0.1:0')
  t.not(stolen.code, 0)
  await eventually('it is counted', async () => (await refusals(manager, 'bad_token')) === 1)
  const { stdout } = await boss.rookery(['status', '--json'])
  t.is(JSON.parse(stdout).members.length, 1, 'nobody else was let in')
})
