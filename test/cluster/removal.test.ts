/** Who is shut out is cut off at once and let in no more, and nobody else notices. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import type { ExecutionContext } from 'ava'
import { eventually } from './eventually.ts'
import { testMounted } from './fuse.ts'
import { type Machine, makeMachines, printed, type Running } from './machines.ts'
import { isMounted } from './processes.ts'

const anyPort = ['--listen', '127.0.0.1:0']

async function startMount(machine: Machine, ...more: readonly string[]): Promise<Running> {
  const mountpoint = `${machine.directory}/mount`
  await mkdir(mountpoint, { recursive: true })
  const mount = machine.start('mount', mountpoint, '--home', machine.home, ...more)
  await mount.says('is mounted')
  return mount
}

/** The peer id of the key that was let in last. */
async function newestKey(t: ExecutionContext, boss: Machine): Promise<string> {
  const keys = JSON.parse(await printed(t, boss.rookery(['key', 'list'], '--json')))
  return keys.at(-1).peerId
}

async function isRefused(
  t: ExecutionContext,
  outcome: ReturnType<Machine['rookery']>,
): Promise<void> {
  const { code, stderr } = await outcome
  t.is(code, 1)
  t.regex(stderr, /^rookery: [^\n]* was removed from the cluster: join with a new token[^\n]*\n$/)
}

testMounted('a key and a server that are removed are cut off, and stay out', async t => {
  t.timeout(300_000)
  const names = ['a', 'b', 'c', 'd', 'e']
  const machines = await makeMachines(t, { names })
  const [boss, one, two, shut, other] = machines as [Machine, Machine, Machine, Machine, Machine]
  const manager = boss.start(
    ...['manager', '--dir', boss.home, '--partitions', '8', '--no-mdns', '--servers', '2'],
    ...anyPort,
  )
  await manager.says('manager is up')
  const token = (...more: readonly string[]) =>
    printed(t, boss.rookery(['token', 'create'], ...more))
  const disks = ({ directory }: Machine) => [
    ...['--meta-dir', `${directory}/meta`, '--data-dir', `${directory}/data`],
  ]
  const join = async (machine: Machine) =>
    machine.start('join', await token(), ...disks(machine), ...anyPort, '--name', machine.name)
  const servers = [await join(one), await join(two)]
  for (const server of servers) await server.says('the server is up')
  await printed(t, boss.rookery(['volume', 'create'], 'default'))

  await startMount(other, '--token', await token('--role', 'client'))
  const mount = await startMount(shut, '--token', await token('--role', 'client'))
  const peerId = await newestKey(t, boss)
  await writeFile(`${shut.directory}/mount/file`, 'before')

  // Its connections are cut while it has a file open, and another mount goes on.
  await printed(t, boss.rookery(['key', 'remove'], peerId))
  await eventually('the mount has ended', () => mount.hasEnded, 30_000)
  t.regex(mount.text, /removed from the cluster/)
  t.false(await isMounted(`${shut.directory}/mount`))
  await writeFile(`${other.directory}/mount/file`, 'after')

  // Whatever it tries with what it has kept, managers and servers let it in no more.
  await isRefused(t, shut.rookery(['ls'], '/'))
  await isRefused(t, shut.rookery(['mount', `${shut.directory}/mount`]))
  await isRefused(t, shut.rookery(['status']))

  // A new token makes it a member again, with the key that it has.
  await startMount(shut, '--token', await token('--role', 'client'))
  t.is(await readFile(`${shut.directory}/mount/file`, 'utf8'), 'after')
  t.is(await newestKey(t, boss), peerId)

  // A server goes the same way, once it holds nothing.
  await printed(t, boss.rookery(['drain', '--quiet', 'c']))
  await printed(t, boss.rookery(['member', 'remove', 'c']))
  await eventually('the server has ended', () => servers[1]!.hasEnded, 30_000)
  const back = two.start('server', '--meta-dir', `${two.directory}/meta`)
  await eventually('it is refused', () => back.hasEnded, 60_000)
  t.regex(back.text, /was removed from the cluster/)
  t.is(await readFile(`${other.directory}/mount/file`, 'utf8'), 'after')
  t.notRegex(await printed(t, boss.rookery(['member', 'list'])), /^c /m)
})
