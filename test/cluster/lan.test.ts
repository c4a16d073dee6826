import assert from 'node:assert/strict'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import test, { type ExecutionContext } from 'ava'
import { decodeToken, encodeToken } from '../../network/admission/token.ts'
import { operationDeadlineMs } from '../../network/limits.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { View } from '../../network/wire/view.ts'
import { run } from '../posix/program.ts'
import { eventually } from './eventually.ts'
import { hasFuse } from './fuse.ts'
import { type Lan, makeLan, whyNoLan } from './lan.ts'
import { type Machine, printed } from './machines.ts'
import { isMounted } from './processes.ts'
import { hashTree, plantTree } from './tree.ts'

const title =
  'machines of a network find their cluster by token and by mDNS, and outlive a pulled plug and a killed manager'
const reason = hasFuse ? await whyNoLan() : 'this machine has no /dev/fuse'
if (reason === null) test.serial(title, liveOnLan)
else test.skip(`${title}: ${reason}`, () => {})

const fileCount = 400
/** Directories; a third of them go to the server that is away. */
const probeCount = 24

const startManager = (boss: Machine) =>
  boss.start('manager', '--dir', boss.home, '--listen', '0.0.0.0:7400', '--servers', '3')

async function startServer(machine: Machine, token: string) {
  const { directory } = machine
  const disks = ['--meta-dir', `${directory}/meta`, '--data-dir', `${directory}/data`]
  const server = machine.start('join', token, ...disks)
  await server.says('the server is up')
  return server
}

async function liveOnLan(t: ExecutionContext): Promise<void> {
  t.timeout(480_000)
  const lan = await makeLan(t, ['boss', 's1', 's2', 's3', 'user'])
  const [boss, s1, s2, s3, user] = lan.machines as [Machine, Machine, Machine, Machine, Machine]
  const tree = `${user.directory}/tree`
  await plantTree(tree, fileCount)
  const original = await hashTree(tree)
  const manager = startManager(boss)
  await manager.says('manager is up')

  const token = await printed(t, boss.rookery(['token', 'create'], '--uses', '3'))
  await Promise.all([startServer(s1, token), startServer(s2, token)])
  // Without an address: the third finds the manager by itself.
  const bare = encodeToken({ ...decodeToken(token), managers: [] })
  const found = await startServer(s3, bare)
  t.true(found.text.includes(`found a manager at libp2p://${lan.address(0)}:7400/`), found.text)
  await printed(t, boss.rookery(['volume', 'create'], 'default'))

  const mountpoint = `${user.directory}/mount`
  await mkdir(mountpoint, { recursive: true })
  const key = await printed(t, boss.rookery(['token', 'create'], '--role', 'client'))
  user.start('mount', '--token', key, '--home', user.home, mountpoint)
  await eventually('it is mounted', () => isMounted(mountpoint), 60_000)
  t.is((await run('/', 'cp', ['-a', tree, `${mountpoint}/one`])).code, 0)
  t.is(await hashTree(`${mountpoint}/one`), original)

  // The manager is killed in the middle of a copy, and comes back after it: nobody notices.
  const copying = run('/', 'cp', ['-a', tree, `${mountpoint}/two`])
  await manager.kill()
  t.is((await copying).code, 0)
  t.is(await hashTree(`${mountpoint}/two`), original)
  await startManager(boss).says('manager is up')

  const status = async () =>
    JSON.parse(await printed(t, boss.rookery(['status'], '--json'))) as Status
  // Any server but the one that has the root of the volume: without that nobody gets anywhere.
  const victim = serverWithout((await stat(mountpoint)).ino, await status(), lan)
  const isUp = async () => (await status()).members.find(isAt(lan.address(victim)))?.alive === true
  await eventually('all are back', isUp, 60_000)
  await lan.plug(victim, 'down')
  const cutMs = performance.now()
  await eventually('it is declared dead', async () => !(await isUp()), 60_000)
  t.log(`declared dead after ${Math.round(performance.now() - cutMs)} ms`)
  // One directory after the other is somewhere: those that are elsewhere go on. The kernel lets in one at a time.
  const outcomes = await Promise.all(
    Array.from({ length: probeCount }, (_, index) => writeAt(`${mountpoint}/probe-${index}`)),
  )
  const tookMs = performance.now() - cutMs
  t.log(
    `${outcomes.filter(one => one === 'EIO').length} of ${probeCount} were told after ${Math.round(tookMs)} ms`,
  )
  t.true(tookMs < 2 * operationDeadlineMs + 10_000, 'they wait for it together')
  t.true(outcomes.includes('done'), 'others go on')
  t.true(
    outcomes.every(outcome => outcome === 'done' || outcome === 'EIO'),
    outcomes.join(),
  )
  await lan.plug(victim, 'up')
  await eventually('it is back', isUp, 60_000)
  for (let index = 0; index < probeCount; index++) {
    t.is(await writeAt(`${mountpoint}/again-${index}`), 'done')
  }
  t.is(await hashTree(`${mountpoint}/one`), original)
  t.is(await hashTree(`${mountpoint}/two`), original)
}

interface Status {
  readonly view: View
  readonly members: readonly { readonly addresses: readonly string[]; readonly alive: boolean }[]
}

const isAt =
  (host: string) =>
  ({ addresses }: { readonly addresses: readonly string[] }) =>
    addresses.some(address => address.includes(`${host}:`))

/** The number of a machine whose server does not hold the inode. */
function serverWithout(ino: number, { view }: Status, lan: Lan): number {
  const holder = view.partitions[partitionOfIno(ino)]?.primary
  const servers = view.members.filter(({ id, role }) => role === 'server' && id !== holder)
  const index = lan.machines.findIndex((_, at) => servers.some(isAt(lan.address(at))))
  assert(index > 0, 'a server is on a machine of its own')
  return index
}

/** A program that needs a server which is away waits, and is told so at its deadline. */
async function writeAt(directory: string): Promise<string> {
  try {
    await mkdir(directory)
    await writeFile(`${directory}/file`, 'here')
    return (await readFile(`${directory}/file`, 'utf8')) === 'here' ? 'done' : 'other bytes'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}
