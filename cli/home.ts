/**
 * The home of a cluster on this machine: one directory with its settings, data, logs and sockets.
 *
 * 1. A directory that is not empty and not a home is never touched.
 * 2. Only the holder of the lock (home-lock.ts) writes settings and state.
 * 3. The number of partitions and of replicas never changes once it is written, that of servers only grows; `formatted`
 *    only becomes true, and a server that has left never comes back: its number is not used again.
 */
import { createHash } from 'node:crypto'
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises'
import { homedir, tmpdir, userInfo } from 'node:os'
import { join, resolve, sep } from 'node:path'
import { z } from 'zod'
import { maxPartitionCount } from '../network/limits.ts'
import { makeDirectories, whyNotMade } from '../network/membership/make-directories.ts'
import { codeOf, Failure } from './failure.ts'

/** An empty HOME is none. */
export const defaultHome = join(homedir() || userInfo().homedir, '.rookery')
/** Servers of one home: they share one machine, so more would only get in each other's way. */
export const maxHomeServers = 64

const homeFormat = 1
/** What a start that was cut short may have left. */
const homeEntries: ReadonlySet<string> = new Set([
  'admin',
  'client',
  'cluster.json.new',
  'lock',
  'log',
  'run',
  'servers',
])
/** What the home of a cluster has besides its settings. */
const clusterEntries = ['manager', 'servers']
const longestSocketPathBytes = 107

const settings = z.object({
  format: z.literal(homeFormat),
  /** Number of the last one: those that have left count. */
  servers: z.int().min(1).max(maxHomeServers),
  /** Numbers of servers that have left the cluster. */
  left: z.array(z.int().min(1)).default([]),
  partitions: z.int().min(1).max(maxPartitionCount),
  replicas: z.int().min(1),
  /** The volume `default` was made: from then on a missing one is an error, not a new home. */
  formatted: z.boolean(),
})
export type HomeSettings = z.infer<typeof settings>

const state = z.object({
  pid: z.int().positive(),
  /** Start of that process (proc_pid_stat(5), field 22): a pid alone may be used again. */
  startTicks: z.string(),
  managers: z.array(z.string()),
  mountpoint: z.string(),
  volume: z.string(),
})
/** What runs now, written by the supervisor. */
export type HomeState = z.infer<typeof state>

/** Numbers of the servers that a home has. */
export function serverNumbers({ servers, left }: HomeSettings): readonly number[] {
  const numbers = Array.from({ length: servers }, (_, index) => index + 1)
  return numbers.filter(number => !left.includes(number))
}

/** Where everything is in a home. */
export class Home {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  get settingsFile(): string {
    return join(this.directory, 'cluster.json')
  }
  get stateFile(): string {
    return join(this.directory, 'state.json')
  }
  get lockDirectory(): string {
    return join(this.directory, 'lock')
  }
  get managerDirectory(): string {
    return join(this.directory, 'manager')
  }
  get logDirectory(): string {
    return join(this.directory, 'log')
  }
  metaDirectory(server: number): string {
    return join(this.directory, 'servers', String(server), 'meta')
  }
  dataDirectory(server: number): string {
    return join(this.directory, 'servers', String(server), 'data')
  }
  logFile(name: string): string {
    return join(this.logDirectory, `${name}.log`)
  }

  /** null when this is no home yet. @throws Failure when what is there cannot be used. */
  async readSettings(): Promise<HomeSettings | null> {
    return await readJson(this.settingsFile, settings, 'put back a copy of it')
  }
  async writeSettings(value: HomeSettings): Promise<void> {
    await writeJson(this.settingsFile, value)
  }
  async readState(): Promise<HomeState | null> {
    return await readJson(this.stateFile, state, 'remove it')
  }
  async writeState(value: HomeState): Promise<void> {
    await writeJson(this.stateFile, value)
  }
  async removeState(): Promise<void> {
    await rm(this.stateFile, { force: true })
  }
}

/** The home at `path`, which need not exist. */
export async function locateHome(path: string): Promise<Home> {
  const directory = resolve(path)
  return new Home(await realpath(directory).catch(() => directory))
}

/** Makes the directory if need be, private to its owner. @throws Failure when it cannot be a home. */
export async function prepareHome(path: string): Promise<Home> {
  const directory = resolve(path)
  const made = await makeDirectories(directory, 0o700).catch(cause => {
    throw new Failure(
      `home ${directory} cannot be made (${whyNotMade(cause)}): choose another with --home`,
      {
        cause,
      },
    )
  })
  const home = new Home(await realpath(directory))
  if (made === undefined) await checkHome(home)
  await chmod(home.directory, 0o700)
  await makeDirectories(home.logDirectory, 0o700)
  return home
}

/** As `prepareHome`, for what a token gives. @throws Failure also for the home of a cluster of its own: it would act as another's. */
export async function prepareGuestHome(path: string): Promise<Home> {
  const home = await prepareHome(path)
  if ((await home.readSettings()) === null) return home
  throw new Failure(
    `${home.directory} is the home of a cluster of this machine ('rookery up'): give another with --home`,
  )
}

/** The mount would hide the home, or the servers would write into their own file system. */
export function checkApart(home: Home, mountpoint: string): void {
  if (`${home.directory}${sep}`.startsWith(`${mountpoint}${sep}`)) {
    throw new Failure(
      `home ${home.directory} lies under the mount point: choose another with --home`,
    )
  }
  if (mountpoint.startsWith(`${home.directory}${sep}`)) {
    throw new Failure(`mount point ${mountpoint} lies in the home: choose another`)
  }
}

async function checkHome(home: Home): Promise<void> {
  const found = await lstat(home.directory)
  if (process.getuid !== undefined && found.uid !== process.getuid()) {
    throw new Failure(`home ${home.directory} belongs to another user: choose another with --home`)
  }
  const entries = await readdir(home.directory)
  if (!entries.includes('cluster.json') && clusterEntries.every(entry => entries.includes(entry))) {
    throw new Failure(
      `${home.settingsFile} is missing: put back a copy of it, or choose another home with --home`,
    )
  }
  const ours = entries.includes('cluster.json') || entries.every(entry => homeEntries.has(entry))
  if (!ours) {
    throw new Failure(
      `${home.directory} is neither empty nor the home of a cluster: choose another with --home`,
    )
  }
}

/**
 * A private directory for sockets, in the home or, when the home's path is too long for a socket's
 * (unix(7): 107 bytes), a short one beside it.
 */
export async function prepareSockets(home: Home): Promise<string> {
  const inHome = join(home.directory, 'run')
  const longest = join(inHome, 'server-64.sock')
  const directory = Buffer.byteLength(longest) <= longestSocketPathBytes ? inHome : shortPlace(home)
  await mkdir(directory, { mode: 0o700 }).catch(error => {
    if (codeOf(error) !== 'EEXIST') throw error
  })
  const found = await lstat(directory)
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0) {
    throw new Failure(`${directory} is not a private directory of this user: remove it`)
  }
  return directory
}

function shortPlace(home: Home): string {
  const hash = createHash('sha256').update(home.directory).digest('hex').slice(0, 16)
  return join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), `rookery-${hash}`)
}

/** @param remedy for when it is damaged. */
async function readJson<T>(path: string, schema: z.ZodType<T>, remedy: string): Promise<T | null> {
  const text = await readFile(path, 'utf8').catch(error => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    throw new Failure(`${path} cannot be read (${codeOf(error)})`, { cause: error })
  })
  if (text === null) return null
  try {
    const content: unknown = JSON.parse(text)
    checkFormat(path, content)
    return schema.parse(content)
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    throw new Failure(`${path} is damaged: ${remedy}`, { cause })
  }
}

/** @throws Failure for the format of a newer version. */
function checkFormat(path: string, content: unknown): void {
  const found = z.object({ format: z.int().min(homeFormat + 1) }).safeParse(content)
  if (!found.success) return
  throw new Failure(
    `${path} has format ${found.data.format}, written by a newer Rookery; this one knows format ${homeFormat}: run the newer one`,
  )
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(`${path}.new`, `${JSON.stringify(value, null, 2)}\n`, {
    mode: 0o600,
    flush: true,
  })
  await rename(`${path}.new`, path)
}
