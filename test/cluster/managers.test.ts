import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { askOne } from '../../cli/ask-manager.ts'
import { createVolume } from '../../client/fs/volumes.ts'
import { connect } from '../../client/library.ts'
import { connectClient } from '../../client/main.ts'
import { EtcdProcess, findEtcd, noEtcd } from '../../manager/testing/etcd.ts'
import { MemberCredentials } from '../../network/admission/credentials.ts'
import { readCredentials } from '../../network/admission/kept.ts'
import { realEnv } from '../../network/env/real.ts'
import { ClusterError } from '../../network/errors.ts'
import { makeIdentity } from '../../network/identity/identity.ts'
import { silentLog as log } from '../../network/log.ts'
import { SocketTransport } from '../../network/transport/socket.ts'
import type { ManagerStatusReply } from '../../network/wire/operations.ts'
import { statusFromWire } from '../../network/wire/wire-view.ts'
import { startServer } from '../../server/main.ts'
import { eventually } from './eventually.ts'

const env = realEnv()
const transports = [new SocketTransport(env)]
const rookery = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))

const program = await findEtcd()
if (program === null) test.skip(`several managers: ${noEtcd}`, () => {})
else testManagers(program)

interface Running {
  readonly directory: string
  readonly address: string
  readonly child: ChildProcess
}

const children = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

function startManager(directory: string, address: string, etcd: EtcdProcess): Running {
  const child = spawn(
    process.execPath,
    [
      ...[rookery, 'manager', '--dir', directory, '--listen', address],
      ...['--servers', '1', '--partitions', '16'],
      ...['--store', `etcd://${etcd.endpoint}/test`, '--log-level', 'silent'],
    ],
    { stdio: 'ignore' },
  )
  children.add(child)
  child.once('exit', () => children.delete(child))
  return { directory, address, child }
}

async function kill({ child }: Running): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}

/** null from a standby, and from one that is not up. */
async function statusOf({ directory, address }: Running): Promise<ManagerStatusReply | null> {
  const kept = await readCredentials(`${directory}/admin`)
  if (kept === null) return null
  try {
    const asked = { role: 'manager', addresses: [address] } as const
    const { body } = await askOne(kept, asked, peer => peer.call('managerStatus', {}))
    return statusFromWire(body)
  } catch (error) {
    if (error instanceof ClusterError) return null
    throw error
  }
}

/** Three managers on an etcd, and a server and a client of theirs in this process. */
async function setUp(t: ExecutionContext, found: string) {
  // Rookery's own timers do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  const top = await mkdtemp(`${tmpdir()}/rookery-managers-`)
  const etcd = await EtcdProcess.start(found)
  const addresses = ['a', 'b', 'c'].map(name => `unix:${top}/${name}.sock`)
  const managers = addresses.map((address, index) =>
    startManager(`${top}/manager-${index}`, address, etcd),
  )
  t.teardown(async () => {
    await Promise.all(managers.map(kill))
    await etcd.remove()
    await rm(top, { recursive: true })
    clearInterval(alive)
  })
  const leader = async () => {
    let leading: { manager: Running; status: ManagerStatusReply } | undefined
    await eventually('a manager leads', async () => {
      for (const manager of managers) {
        const status = await statusOf(manager)
        if (status !== null) leading = { manager, status }
      }
      return leading !== undefined
    })
    return leading!
  }
  await leader()
  /** Each is let in by the administrator of a manager's machine. */
  const letIn = async (role: 'server' | 'client' | 'admin') => {
    const { directory } = (await leader()).manager
    const kept = (await readCredentials(`${directory}/admin`))!
    const identity = await makeIdentity()
    const { peerId } = identity
    const request = { peerId, role, name: role }
    const asked = { role: 'manager', addresses } as const
    const { body } = await askOne(kept, asked, peer => peer.call('certify', request))
    const { cluster, authority, secret } = kept.credentials
    return new MemberCredentials({ identity, cluster, authority, secret, ...body })
  }
  return { top, etcd, addresses, managers, leader, letIn }
}

function testManagers(found: string): void {
  test('leaders that are killed are replaced, and so is etcd; files are written and read all the while', async t => {
    const { top, etcd, addresses, managers, leader, letIn } = await setUp(t, found)
    const server = await startServer({
      env,
      log,
      transports,
      credentials: await letIn('server'),
      managers: addresses,
      name: 's',
      addresses: [`unix:${top}/s.sock`],
      domain: '',
      metaDirectory: `${top}/meta`,
      dataDirectory: `${top}/data`,
    })
    const administrator = { env, log, credentials: await letIn('admin'), managers: addresses }
    const cluster = await connectClient(administrator)
    await createVolume(cluster, 'v', { blockBytes: 65_536 })
    await cluster.close()
    const credentials = await letIn('client')
    const files = await connect({ credentials, managers: addresses, volume: 'v', log })
    let written = 0
    let longestMs = 0
    let done = false
    const writing = (async () => {
      while (!done) {
        const startMs = performance.now()
        await files.writeFile(`/${written}`, `file ${written}`)
        t.is(await files.readFile(`/${written}`, 'utf8'), `file ${written}`)
        written++
        longestMs = Math.max(longestMs, performance.now() - startMs)
        await env.timers.sleep(20)
      }
    })()
    const before = await leader()
    let epoch = before.status.view!.epoch
    for (let round = 0; round < 3; round++) {
      const { manager } = await leader()
      await kill(manager)
      const writtenThen = written
      const next = await leader()
      t.not(next.manager, manager)
      t.is(next.status.cluster, before.status.cluster)
      t.true(next.status.view!.epoch >= epoch)
      epoch = next.status.view!.epoch
      t.true(written > writtenThen, 'files were written while no manager led')
      managers[managers.indexOf(manager)] = startManager(manager.directory, manager.address, etcd)
      await eventually('server and client have joined the new leader', async () => {
        const { status } = await leader()
        return status.members.length === 2 && status.members.every(({ alive }) => alive)
      })
    }
    await etcd.kill()
    await eventually('nobody leads without etcd', async () => {
      const all = await Promise.all(managers.map(statusOf))
      return all.every(status => status === null)
    })
    t.true(managers.every(({ child }) => child.exitCode === null && child.signalCode === null))
    const writtenThen = written
    await etcd.start()
    const last = await leader()
    t.is(last.status.cluster, before.status.cluster)
    t.is(last.status.view?.epoch, epoch)
    t.true(written > writtenThen)
    done = true
    await writing
    t.log(`${written} files, the slowest in ${Math.round(longestMs)} ms`)
    t.is(epoch, 1)
    await files.close()
    await server.close()
  })

  test('commands with the home of any manager find the leader, also while it changes', async t => {
    const { top, addresses, managers, leader, letIn, etcd } = await setUp(t, found)
    const server = await startServer({
      env,
      log,
      transports,
      credentials: await letIn('server'),
      managers: addresses,
      name: 's',
      addresses: [`unix:${top}/s.sock`],
      domain: '',
      metaDirectory: `${top}/meta`,
      dataDirectory: `${top}/data`,
    })
    for (const [index, { directory }] of managers.entries()) {
      const home = ['--home', directory]
      const made = ['volume', 'create', `v${index}`, ...home]
      for (const command of [['status', ...home], ['token', 'create', ...home], made]) {
        t.is((await rookeryWith(command)).stderr, '', command.join(' '))
      }
      const checked = await rookeryWith(['fsck', '--quiet', ...home])
      t.is(checked.code, 0, checked.stderr)
    }
    const { manager } = await leader()
    const others = managers.filter(other => other !== manager)
    await kill(manager)
    const asked = others.map(({ directory }) => {
      const home = ['--home', directory]
      return Promise.all([
        rookeryWith(['member', 'list', ...home]),
        rookeryWith(['status', ...home]),
      ])
    })
    for (const { code, stderr } of (await Promise.all(asked)).flat()) t.is(code, 0, stderr)
    await leader()
    managers[managers.indexOf(manager)] = startManager(manager.directory, manager.address, etcd)
    await server.close()
  })
}

/** How a command of this machine ends. */
function rookeryWith(parameters: readonly string[]): Promise<{ code: number; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [rookery, ...parameters], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += String(chunk)
    })
    child.once('error', reject)
    child.once('close', code => resolve({ code: code ?? -1, stderr }))
  })
}
