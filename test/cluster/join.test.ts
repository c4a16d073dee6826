import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import test, { type ExecutionContext } from 'ava'
import { eventually } from './eventually.ts'
import { testMounted } from './fuse.ts'
import { type Machine, makeMachines, printed, type Running } from './machines.ts'
import { isMounted, launcher } from './processes.ts'

const anyPort = ['--listen', '127.0.0.1:0']

function startManager(machine: Machine, ...more: readonly string[]): Running {
  const listen = more.includes('--listen') ? [] : anyPort
  return machine.start(
    ...['manager', '--dir', machine.home, '--partitions', '16', '--no-mdns'],
    ...(more.includes('--servers') ? [] : ['--servers', '1']),
    ...listen,
    ...more,
  )
}

function tokenFrom(
  t: ExecutionContext,
  machine: Machine,
  ...more: readonly string[]
): Promise<string> {
  return printed(t, machine.rookery(['token', 'create'], ...more))
}

function disksOf({ directory }: Machine): readonly string[] {
  return ['--meta-dir', `${directory}/meta`, '--data-dir', `${directory}/data`]
}

/** One line that says what is wrong, and nothing that the token could be read from. */
async function refused(
  t: ExecutionContext,
  outcome: ReturnType<Machine['rookery']>,
  complaint: RegExp,
): Promise<void> {
  const { code, stdout, stderr } = await outcome
  t.not(code, 0)
  t.is(stdout, '')
  t.regex(stderr, complaint)
  t.regex(stderr.trimEnd().split('\n').at(-1)!, /^rookery: [^\n]+$/)
}

testMounted(
  'machines join and mount by token, go on without, and outlast restarts of the manager',
  async t => {
    const [boss, disks, user] = (await makeMachines(t, { names: ['a', 'b', 'c'] })) as [
      Machine,
      Machine,
      Machine,
    ]
    let manager = startManager(boss)
    await manager.says('manager is up')
    const address = /libp2p:\/\/([^/"]+)/.exec(manager.text)![1]!

    const token = await tokenFrom(t, boss)
    const join = [token, ...disksOf(disks), ...anyPort]
    let server = disks.start('join', ...join)
    await server.says('the server is up')
    await printed(t, boss.rookery(['volume', 'create'], 'default'))

    const mountpoint = `${user.directory}/mount`
    await mkdir(mountpoint, { recursive: true })
    const key = await tokenFrom(t, boss, '--role', 'client')
    const options = ['--home', user.home, mountpoint]
    let mount = user.start('mount', '--token', key, ...options)
    await eventually('it is mounted', () => isMounted(mountpoint))
    await writeFile(`${mountpoint}/file`, 'one')
    t.is((await stat(`${user.home}/client/member.key`)).mode & 0o777, 0o600)
    t.is((await stat(`${user.home}/client/member.json`)).mode & 0o777, 0o600)

    await manager.stop()
    await writeFile(`${mountpoint}/file`, 'two')
    t.is(await readFile(`${mountpoint}/file`, 'utf8'), 'two')
    manager = startManager(boss, '--listen', address)
    await manager.says('manager is up')

    await mount.stop()
    await server.stop()
    server = disks.start('server', '--meta-dir', `${disks.directory}/meta`)
    await server.says('the server is up')
    mount = user.start('mount', ...options)
    await eventually('it is mounted again', () => isMounted(mountpoint))
    t.is(await readFile(`${mountpoint}/file`, 'utf8'), 'two')

    const status = await printed(t, boss.rookery(['status']))
    t.regex(status, /up +16 /)
    t.regex(await printed(t, user.rookery(['ls'], '/')), /file/)
    await refused(t, user.rookery(['token', 'create']), /client/)
    t.regex(await printed(t, boss.rookery(['token', 'list'])), /server +used +0/)
  },
)

test.serial(
  'tokens that are used, expired, revoked, mistyped, of another cluster or role are refused',
  async t => {
    const [boss, other, disks] = (await makeMachines(t, { names: ['a', 'b', 'c'] })) as [
      Machine,
      Machine,
      Machine,
    ]
    const manager = startManager(boss)
    const foreign = startManager(other)
    await Promise.all([manager.says('manager is up'), foreign.says('manager is up')])
    const admin = await tokenFrom(t, boss, '--role', 'admin')
    t.regex(await printed(t, disks.rookery(['join'], admin)), /admin's of cluster/)

    const join = (token: string, name: string) =>
      disks.run(launcher, 'join', token, '--home', `${disks.directory}/${name}`)
    await refused(t, join(admin, 'h1'), /used up.*token create/)
    const mistyped = `${admin.slice(0, -1)}${admin.endsWith('a') ? 'b' : 'a'}`
    await refused(t, join(mistyped, 'h2'), /mistyped or cut short/)
    const brief = await tokenFrom(t, boss, '--role', 'client', '--expires', '1s')
    await new Promise(resolve => setTimeout(resolve, 1_500))
    await refused(t, join(brief, 'h3'), /has expired/)
    const revoked = await tokenFrom(t, boss, '--role', 'client')
    const listed = JSON.parse(await printed(t, boss.rookery(['token', 'list'], '--json')))
    await printed(t, boss.rookery(['token', 'revoke'], listed.at(-1).id))
    await refused(t, join(revoked, 'h4'), /was revoked/)
    const server = await tokenFrom(t, boss)
    await refused(t, join(server, 'h5'), /--meta-dir and --data-dir/)
    const home = await printed(t, join(await tokenFrom(t, boss, '--role', 'client'), 'h6'))
    t.regex(home, /client's of cluster/)
    const once = await tokenFrom(t, boss, '--role', 'client')
    const racing = await Promise.all([join(once, 'h7'), join(once, 'h8')])
    t.deepEqual(racing.map(({ code }) => code).toSorted(), [0, 1])
    const foreignToken = await tokenFrom(t, other, '--role', 'client')
    await refused(t, join(foreignToken, 'h6'), /belongs to cluster/)
    t.deepEqual((await readdir(`${disks.directory}/h6/client`)).toSorted(), [
      'member.json',
      'member.key',
    ])

    // Two administrators: the second one's key mints tokens as the first one's does.
    t.regex(await printed(t, disks.rookery(['token', 'create'])), /^rk1/)
  },
)

test.serial('a manager whose etcd never answers can be stopped', async t => {
  t.timeout(60_000)
  const [boss] = (await makeMachines(t, { names: ['a'] })) as [Machine]
  const manager = boss.start(
    ...['manager', '--dir', boss.home, '--store', 'etcd://127.0.0.1:1/none', ...anyPort],
  )
  await manager.says('as a standby so far')
  const startMs = performance.now()
  await manager.stop()
  t.true(performance.now() - startMs < 15_000, manager.text)
})

test.serial('servers are reached over TLS and over libp2p where they listen so', async t => {
  const [boss, secured, hostile, user] = (await makeMachines(t, {
    names: ['a', 'b', 'c', 'd'],
  })) as [Machine, Machine, Machine, Machine]
  const manager = startManager(boss, '--servers', '2')
  await manager.says('manager is up')
  const join = async (machine: Machine, ...how: readonly string[]) =>
    machine.start('join', await tokenFrom(t, boss), ...disksOf(machine), ...anyPort, ...how)
  const servers = [await join(secured, '--tls'), await join(hostile, '--transport', 'libp2p')]
  for (const server of servers) await server.says('the server is up')
  const schemes = servers.map(({ text }) => text.match(/(tcp|tls|libp2p):\/\/127\.0\.0\.1:\d+/g))
  t.deepEqual(
    schemes.map(found => found?.map(address => address.split(':')[0])),
    [['tls'], ['libp2p']],
  )
  await printed(t, boss.rookery(['volume', 'create'], 'default'))
  await printed(t, user.rookery(['join'], await tokenFrom(t, boss, '--role', 'client')))
  const text = 'what many servers keep\n'.repeat(100_000)
  await mkdir(user.directory, { recursive: true })
  for (let number = 0; number < 4; number++) {
    const path = `${user.directory}/${number}`
    await writeFile(path, `${number} ${text}`)
    await printed(t, user.rookery(['put'], path, `/${number}`))
    t.is(await printed(t, user.rookery(['cat'], `/${number}`)), `${number} ${text}`.trimEnd())
  }
  const status = await printed(t, boss.rookery(['status']))
  t.is(status.match(/ up +[1-9]/g)?.length, 2, status)
})
