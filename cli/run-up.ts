/**
 * The supervisor of a cluster on this machine.
 *
 * 1. Nothing is started before the home is locked, and the lock is given back last.
 * 2. What was started is stopped, in order, however this ends.
 */
import { defaultPartitionCount } from '../network/limits.ts'
import { describeError, Failure } from './failure.ts'
import {
  checkApart,
  type Home,
  type HomeSettings,
  locateHome,
  maxHomeServers,
  prepareHome,
  prepareSockets,
  serverNumbers,
} from './home.ts'
import { lockHome, startTicks } from './home-lock.ts'
import { letMembersIn } from './home-members.ts'
import { cutLifeline, hasSupervisor, stopRequest, tellSupervisor } from './lifeline.ts'
import { checkMountpoint, isRookery, locate, mountAt } from './mountpoint.ts'
import { awaitOrphans } from './orphans.ts'
import { announce } from './output.ts'
import { type ClusterPlan, planCluster } from './plan.ts'
import { type Progress, startProgress } from './progress.ts'
import { checkRoom } from './room.ts'
import { Supervisor } from './supervisor.ts'
import { unmount } from './umount.ts'
import type { UpOptions } from './up.ts'

/** Asked now: the line to the one who waits for the mount is cut when it is there. */
const inBackground = hasSupervisor()
const defaultServers = 3

export async function runUp(path: string, options: UpOptions): Promise<void> {
  const stop = stopRequest()
  const mountpoint = await locate(path)
  const place = await locateHome(options.home)
  checkApart(place, mountpoint)
  await checkRoom(place)
  const home = await prepareHome(options.home)
  const lock = await lockHome(home)
  try {
    const settings = await settleSettings(home, options.servers)
    await awaitOrphans(home)
    await checkMountpoint(mountpoint, { create: true })
    await home.writeSettings(settings)
    const sockets = await prepareSockets(home)
    const plan = planCluster({ home, settings, sockets, mountpoint, options })
    await supervise({ home, settings, plan, mountpoint, options, stop })
  } finally {
    await lock.release()
  }
}

interface Supervision {
  readonly home: Home
  readonly settings: HomeSettings
  readonly plan: ClusterPlan
  readonly mountpoint: string
  readonly options: UpOptions
  readonly stop: Promise<string>
}

async function supervise(supervision: Supervision): Promise<void> {
  const { home, plan, mountpoint, options, stop } = supervision
  const supervisor = new Supervisor(line => say(options, line))
  try {
    await home.writeState({
      pid: process.pid,
      startTicks: (await startTicks(process.pid)) ?? '',
      managers: [...plan.managers],
      mountpoint,
      volume: options.volume,
    })
    const started = startAll(supervisor, supervision)
    // When the stop comes first, children that were stopped fail their start: nobody waits for that.
    started.catch(() => undefined)
    const stopped = await Promise.race([started, stop])
    if (stopped === undefined) await stop
  } finally {
    await supervisor.stop()
    await clearMount(mountpoint)
    await home.removeState()
    say(options, `stopped: the data stays in ${home.directory}`)
  }
}

/** A mount whose process had to be killed stays behind, and would answer nothing but errors. */
async function clearMount(mountpoint: string): Promise<void> {
  const left = await mountAt(mountpoint)
  if (left !== null && isRookery(left)) await unmount(mountpoint, true)
}

async function startAll(supervisor: Supervisor, supervision: Supervision): Promise<void> {
  const { home, settings, plan, mountpoint, options } = supervision
  const progress = startProgress({
    total: plan.servers.length + 3,
    unit: 'steps',
    quiet: options.quiet ?? false,
  })
  const step = (what: string): void => advance(progress, what)
  let page: string | undefined
  try {
    await supervisor.start([plan.manager], (_name, ready) => {
      page = ready.split(' ').find(address => address.startsWith('http://'))
      step('manager ready')
    })
    await letMembersIn(home, serverNumbers(settings), plan.managers)
    const servers = await supervisor.start(plan.servers, name => step(`${name} ready`))
    const left = new Departures(supervision)
    for (const server of servers) void server.finished.then(() => left.note(server.plan.name))
    if (!settings.formatted) {
      // Loaded only here: the supervisor of an old home need not carry a client.
      const { makeDefaultVolume } = await import('./volumes.ts')
      await makeDefaultVolume(home.directory, plan.managers)
      await left.format()
    }
    step('volumes ready')
    const [mount] = await supervisor.start([plan.mount], () => step('mounted'))
    mount?.finished.then(() => say(options, `${mountpoint} was unmounted: the servers go on`))
  } finally {
    progress.end()
  }
  const mounted = `${mountpoint} is mounted: volume ${options.volume}, ${plan.servers.length} servers, data in ${home.directory}`
  const text = page === undefined ? mounted : `${mounted}\nits state is at ${page}`
  if (options.quiet !== true && !inBackground) announce(`${text}\nCtrl-C stops it.`)
  await tellSupervisor('ready', text)
  cutLifeline()
}

function advance(progress: Progress, what: string): void {
  progress.advance(1, what)
  void tellSupervisor('progress', what)
}

/** Writes down which servers have left the cluster: they are not started again. One at a time. */
class Departures {
  readonly #supervision: Supervision
  #settings: HomeSettings
  #writing: Promise<void> = Promise.resolve()

  constructor(supervision: Supervision) {
    this.#supervision = supervision
    this.#settings = supervision.settings
  }

  format(): Promise<void> {
    return this.#write({ ...this.#settings, formatted: true })
  }

  /** @param name `server-2`. */
  note(name: string): void {
    const { options } = this.#supervision
    say(options, `${name} has left the cluster`)
    const number = Number(name.split('-')[1])
    const left = [...this.#settings.left, number]
    this.#write({ ...this.#settings, left }).catch((error: unknown) => {
      say(options, `that ${name} has left cannot be written down: ${describeError(error)}`)
    })
  }

  #write(settings: HomeSettings): Promise<void> {
    this.#settings = settings
    const { home } = this.#supervision
    const turn = this.#writing.then(() => home.writeSettings(settings))
    this.#writing = turn.catch(() => undefined)
    return turn
  }
}

/** In the background this is the log, where a line wants its time. */
function say(options: UpOptions, line: string): void {
  if (inBackground) {
    process.stderr.write(`${new Date().toISOString()} ${line}\n`)
  } else if (options.quiet !== true) {
    process.stderr.write(`rookery: ${line}\n`)
  }
}

/** What the home was made with, and the servers that are added to it; a new home gets what was asked for. */
async function settleSettings(home: Home, servers: number | undefined): Promise<HomeSettings> {
  const found = await home.readSettings()
  if (found === null) {
    return {
      format: 1 as const,
      servers: servers ?? defaultServers,
      left: [],
      partitions: defaultPartitionCount,
      replicas: 1,
      formatted: false,
    }
  }
  const numbers = serverNumbers(found)
  const has = numbers.length
  if (servers === undefined || servers === has) return found
  if (servers < has) {
    throw new Failure(
      `the cluster in ${home.directory} has ${has} servers: while it runs, 'rookery leave --meta-dir ` +
        `${home.metaDirectory(numbers.at(-1) ?? 1)}' has one of them leave; leave out --servers`,
    )
  }
  const last = found.servers + servers - has
  if (last > maxHomeServers) {
    throw new Failure(
      `a home has had ${maxHomeServers} servers at most, those that left included: ${home.directory} may get ` +
        `${maxHomeServers - found.servers} more`,
    )
  }
  return { ...found, servers: last }
}
