/** Which processes a cluster on this machine consists of, and how each is started. Pure. */
import { join } from 'node:path'
import { type Home, type HomeSettings, serverNumbers } from './home.ts'
import { listeningOn } from './listening.ts'
import type { ChildPlan } from './supervised-child.ts'
import type { UpOptions } from './up.ts'
import { noRoom } from './up-options.ts'

export interface ClusterPlan {
  readonly manager: ChildPlan
  readonly servers: readonly ChildPlan[]
  readonly mount: ChildPlan
  /** Where the home's members dial the manager. */
  readonly managers: readonly string[]
}

export interface PlanInput {
  readonly home: Home
  readonly settings: HomeSettings
  readonly sockets: string
  readonly mountpoint: string
  readonly options: UpOptions
}

export function planCluster(input: PlanInput): ClusterPlan {
  const { home, settings, mountpoint, options } = input
  const [managers, listening] = managerAddresses(input)
  const toManager = managers.flatMap(address => ['--manager', address])
  const servers = serverNumbers(settings)
  return {
    managers,
    manager: child(input, 'manager', [
      'manager',
      ...['--dir', home.managerDirectory],
      ...listen(listening),
      ...['--servers', `${servers.length}`, '--partitions', `${settings.partitions}`],
      ...['--replicas', `${settings.replicas}`],
      ...http(input, 0),
    ]),
    servers: servers.map(number =>
      child(input, `server-${number}`, [
        'server',
        ...['--name', `server-${number}`],
        ...['--meta-dir', home.metaDirectory(number), '--data-dir', home.dataDirectory(number)],
        ...toManager,
        ...listen(addresses(input, `server-${number}`, number)),
        ...http(input, number),
      ]),
    ),
    mount: {
      ...child(input, 'mount', [
        'mount',
        mountpoint,
        ...['--home', home.directory],
        ...toManager,
        ...['--volume', options.volume, '--fuse', options.fuse],
        ...(options.private === true ? ['--private'] : []),
        ...(options.suid === true ? ['--suid'] : []),
        ...(options.dev === true ? ['--dev'] : []),
        ...(options.noatime === true ? ['--noatime'] : []),
        ...http(input, settings.servers + 1),
      ]),
      mayFinish: true,
      stopDeadlineMs: 20_000,
    },
  }
}

function listen(where: readonly string[]): string[] {
  return where.flatMap(address => ['--listen', address])
}

/** Where this machine's members dial it; and where it listens, for others also with libp2p. */
function managerAddresses(input: PlanInput): readonly [readonly string[], readonly string[]] {
  const { sockets, options } = input
  const local = `unix:${join(sockets, 'manager.sock')}`
  if (options.port === undefined) return [[local], [local]]
  return [[local], [local, `libp2p://127.0.0.1:${options.port}`]]
}

function addresses({ sockets, options }: PlanInput, name: string, offset: number): string[] {
  const local = `unix:${join(sockets, `${name}.sock`)}`
  if (options.port === undefined) return listeningOn([local], options)
  const port = options.port + offset
  if (port > 65_535) throw noRoom('--port', options.port, 'server')
  return listeningOn([local, `tcp://127.0.0.1:${port}`], options)
}

/** Port 0 is any that is free, for each member. */
function http({ options }: PlanInput, offset: number): string[] {
  if (options.http === undefined) return []
  const port = options.http === 0 ? 0 : options.http + offset
  if (port > 65_535) throw noRoom('--http', options.http, 'member')
  return ['--http', `127.0.0.1:${port}`]
}

function child({ home, options }: PlanInput, name: string, args: readonly string[]): ChildPlan {
  const [, script = ''] = process.argv
  return {
    name,
    command: process.execPath,
    args: [...process.execArgv, script, ...args, '--log-level', options.logLevel],
    logFile: home.logFile(name),
    readyDeadlineMs: 180_000,
    stopDeadlineMs: 15_000,
    mayFinish: false,
  }
}
