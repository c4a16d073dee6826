/** Options that several commands share. */
import { Option } from 'commander'
import {
  collect,
  defaultVolume,
  parseAddress,
  parseHttpAddress,
  parseVolumeName,
} from './arguments.ts'
import { Failure } from './failure.ts'
import { defaultHome, locateHome } from './home.ts'
import { liveState } from './home-lock.ts'

export function homeOption(): Option {
  return new Option('--home <dir>', 'directory of the cluster on this machine').default(
    defaultHome,
    '~/.rookery',
  )
}

export function managerOption(): Option {
  return new Option('--manager <address>', 'where a manager listens (may be repeated)').argParser(
    collect(parseAddress),
  )
}

export function volumeOption(): Option {
  return new Option('--volume <name>', 'volume').default(defaultVolume).argParser(parseVolumeName)
}

export function fuseOption(): Option {
  return new Option('--fuse <backend>', 'how to talk to the kernel')
    .choices(['direct', 'fuse-native'])
    .default('direct')
}

/** Off unless it is asked for; whoever reaches the address can look. */
export function httpOption(): Option {
  return new Option('--http <address>', 'serve metrics at http://HOST:PORT/metrics').argParser(
    parseHttpAddress,
  )
}

export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'what to log')
    .choices(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
}

export type FuseBackend = 'direct' | 'fuse-native'

export interface ClusterOptions {
  readonly home: string
  readonly manager?: readonly string[]
}

/** Where the managers listen: as told, or as the running cluster of the home has them. */
export async function managerAddresses(options: ClusterOptions): Promise<readonly string[]> {
  if (options.manager !== undefined) return options.manager
  const home = await locateHome(options.home)
  const state = await liveState(home)
  if (state !== null) return state.managers
  throw new Failure(
    `no cluster is running in ${home.directory}: start it with 'rookery up', or name one with --manager`,
  )
}

/**
 * Off unless it is asked for: any client of the cluster may make a file that is setuid root, as nobody
 * checks who clients are.
 */
export function suidOption(): Option {
  return new Option(
    '--suid',
    'obey setuid, setgid and file capabilities (for root, if all clients are trusted)',
  )
}

/** Off for the same reason as `--suid`: a device node that anybody made would open the machine's devices. */
export function devOption(): Option {
  return new Option('--dev', 'let device nodes be opened (for root, if all clients are trusted)')
}

/** Spares the servers one small change for each file that is read after it was written, and each day. */
export function noAtimeOption(): Option {
  return new Option('--noatime', 'do not move access times when files are read')
}

/**
 * A private mount asks the kernel for no permission checks when root mounts it, since only root may enter: three
 * requests for a create where there are seven.
 */
export function privateOption(): Option {
  return new Option('--private', 'let nobody in but you (for root, faster with names)')
}
