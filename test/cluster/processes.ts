/**
 * A cluster of real processes, started and watched over by the launcher in a temporary home.
 *
 * 1. Whatever a test does, at its end nothing is mounted, no process runs and no file is left.
 * 2. Only processes that name the cluster's own temporary directory are ever killed.
 */
import { mkdir, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { type As, type Outcome, run } from '../posix/program.ts'
import { eventually } from './eventually.ts'

export const launcher = fileURLToPath(new URL('../../rookery', import.meta.url))

/** `manager`, `mount` or `server-N`. */
export type Role = string

export interface ClusterOptions {
  readonly servers?: number
  readonly as?: As
  /** Home in place of one in the temporary directory. */
  readonly home?: string
  /** Further ones of `up`. */
  readonly options?: readonly string[]
}

export class ProcessCluster {
  /** Temporary; everything of this cluster names it. */
  readonly directory: string
  readonly home: string
  readonly mountpoint: string
  readonly #servers: number
  readonly #as: As
  readonly #options: readonly string[]

  constructor(directory: string, options: ClusterOptions) {
    this.directory = directory
    this.home = options.home ?? `${directory}/home`
    this.mountpoint = `${directory}/mount`
    this.#servers = options.servers ?? 2
    this.#as = options.as ?? {}
    this.#options = options.options ?? []
  }

  /** Runs the launcher in the temporary directory. */
  rookery(...args: readonly string[]): Promise<Outcome> {
    return run(this.directory, launcher, args, this.#as)
  }

  async up(t: ExecutionContext): Promise<void> {
    const { code, stderr } = await this.rookery(
      ...['up', this.mountpoint, '--home', this.home],
      ...['--servers', `${this.#servers}`, '--detach'],
      ...this.#options,
    )
    if (code !== 0) t.log(await this.logs())
    t.is(code, 0, stderr)
  }

  async down(t: ExecutionContext): Promise<void> {
    const { code, stderr } = await this.rookery('down', '--home', this.home)
    if (code !== 0) t.log(await this.logs())
    t.is(code, 0, stderr)
  }

  /** Everything fits together, down to the checksums of all data. */
  async isSound(t: ExecutionContext): Promise<void> {
    const { code, stdout, stderr } = await this.rookery(
      ...['fsck', '--data', '--quiet', '--home', this.home],
    )
    t.is(stdout + stderr, '')
    t.is(code, 0)
  }

  /** One more mount, in the foreground of a process of its own, until the test ends. */
  async mountAgain(name: string, options: readonly string[] = []): Promise<string> {
    const mountpoint = `${this.directory}/${name}`
    await mkdir(mountpoint)
    const args = ['mount', mountpoint, '--home', this.home, ...options]
    let ended: Outcome | null = null
    void run(this.directory, launcher, args, this.#as, 0).then(outcome => {
      ended = outcome
    })
    await eventually(`${mountpoint} is mounted`, async () => {
      if (ended !== null) throw new Error(`it is not mounted: ${ended.stderr}`)
      return await isMounted(mountpoint)
    })
    return mountpoint
  }

  async pidOf(role: Role): Promise<number> {
    const pid = (await this.#children()).get(role)
    if (pid === undefined) throw new Error(`no process of ${role}`)
    return pid
  }

  async kill(role: Role): Promise<void> {
    process.kill(await this.pidOf(role), 'SIGKILL')
  }

  /** Kills what serves one mount, and takes the dead mount away. */
  async killMount(mountpoint: string): Promise<void> {
    await this.signalMount(mountpoint, 'SIGKILL')
    await run('/', 'umount', ['-l', mountpoint])
  }

  /** To what serves one mount. @param before is done at the last moment. */
  async signalMount(
    mountpoint: string,
    signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT',
    before: () => Promise<unknown> = async () => undefined,
  ): Promise<void> {
    const pids: number[] = []
    for (const pid of await survivors(this.directory)) {
      if ((await isRookery(pid)) && (await commandLine(pid)).includes(mountpoint)) pids.push(pid)
    }
    await before()
    for (const pid of pids) process.kill(pid, signal)
  }

  /** Kills the supervisor and all its children, and takes the dead mount away. */
  async killAll(): Promise<void> {
    const pids = await survivors(this.directory)
    for (const pid of pids) if (await isRookery(pid)) process.kill(pid, 'SIGKILL')
    await run('/', 'umount', ['-l', this.mountpoint])
  }

  /** Kills a role, and resolves when the supervisor says that it is back. */
  async killAndAwait(role: Role): Promise<void> {
    const before = await this.#returnsOf(role)
    await this.kill(role)
    await eventually(`${role} is back`, async () => (await this.#returnsOf(role)) > before)
  }

  async stop(role: Role, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    process.kill(await this.pidOf(role), signal)
  }

  /** The ends of all logs, for a test that failed. */
  async logs(): Promise<string> {
    const directory = `${this.home}/log`
    const files = await readdir(directory).catch(() => [])
    const texts = files.map(async name => {
      const text = await readFile(`${directory}/${name}`, 'utf8')
      return `--- ${name}\n${text.slice(-4_000)}`
    })
    return (await Promise.all(texts)).join('\n')
  }

  async #returnsOf(role: Role): Promise<number> {
    const log = await readFile(`${this.home}/log/supervisor.log`, 'utf8')
    return log.split('\n').filter(line => line.endsWith(` ${role} is back`)).length
  }

  async #children(): Promise<ReadonlyMap<Role, number>> {
    const state: unknown = JSON.parse(await readFile(`${this.home}/state.json`, 'utf8'))
    const supervisor = typeof state === 'object' && state !== null && 'pid' in state && state.pid
    const listed = await readFile(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8')
    const children = new Map<Role, number>()
    for (const pid of listed.trim().split(' ').map(Number)) {
      const words = await commandLine(pid)
      const command = words[words.findIndex(word => /\/main\.[jt]s$/.test(word)) + 1] ?? ''
      const name = command === 'server' ? words[words.indexOf('--name') + 1] : command
      children.set(name ?? command, pid)
    }
    return children
  }
}

/** A cluster that is not started yet; the caller is to take it apart. */
export async function makeProcessCluster(options: ClusterOptions = {}): Promise<ProcessCluster> {
  const directory = await realpath(await mkdtemp(`${tmpdir()}/rookery-test-`))
  return new ProcessCluster(directory, options)
}

/** A cluster that is not started yet, and is taken apart when the test ends. */
export async function makeCluster(
  t: ExecutionContext,
  options: ClusterOptions = {},
): Promise<ProcessCluster> {
  const cluster = await makeProcessCluster(options)
  t.teardown(async () => {
    if (!t.passed) console.error(await cluster.logs())
    await takeApart(cluster)
  })
  return cluster
}

export async function startCluster(
  t: ExecutionContext,
  options: ClusterOptions = {},
): Promise<ProcessCluster> {
  const cluster = await makeCluster(t, options)
  await cluster.up(t)
  return cluster
}

/** @throws when something had to be killed that should have stopped when asked. */
export async function takeApart(cluster: ProcessCluster): Promise<void> {
  const { directory } = cluster
  const asked = await cluster.rookery('down', '--home', cluster.home)
  const unmounted = await unmountBelow(directory)
  const left = asked.code === 0 ? await outlasting(directory) : await survivors(directory)
  for (const pid of left) process.kill(pid, 'SIGKILL')
  await eventually('every process is gone', async () => (await survivors(directory)).length === 0)
  await unmountBelow(directory)
  await rm(directory, { recursive: true, force: true })
  if (asked.code === 0 && unmounted.includes(cluster.mountpoint)) {
    throw new Error(`'rookery down' left ${cluster.mountpoint} mounted`)
  }
  if (asked.code === 0 && left.length > 0) throw new Error(`processes are left: ${left.join(' ')}`)
}

async function commandLine(pid: number): Promise<readonly string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return text.split('\0').slice(0, -1)
}

/** Processes that do not end although they should: second mounts take a moment to notice. */
async function outlasting(directory: string): Promise<readonly number[]> {
  const gone = async (): Promise<boolean> => (await survivors(directory)).length === 0
  await eventually('every process has ended', gone, 60_000).catch(() => undefined)
  return await survivors(directory)
}

/** Processes whose command line names the directory. */
async function survivors(directory: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(pid => pid > 0 && pid !== process.pid)
  const found: number[] = []
  for (const pid of pids) {
    const words = await commandLine(pid)
    if (words.some(word => word.includes(`${directory}/`))) found.push(pid)
  }
  return found
}

async function isRookery(pid: number): Promise<boolean> {
  return (await commandLine(pid)).some(word => /\/cli\/main\.[jt]s$/.test(word))
}

async function mountsBelow(directory: string): Promise<readonly string[]> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8')
  const points = mounts.split('\n').map(line => line.split(' ')[4] ?? '')
  return points.filter(point => point.startsWith(`${directory}/`))
}

export async function isMounted(mountpoint: string): Promise<boolean> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8')
  return mounts.split('\n').some(line => line.split(' ')[4] === mountpoint)
}

async function unmountBelow(directory: string): Promise<readonly string[]> {
  const mounts = (await mountsBelow(directory)).toReversed()
  for (const mount of mounts) await run('/', 'umount', ['-l', mount])
  return mounts
}
