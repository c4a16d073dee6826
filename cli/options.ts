/** Options that several commands share. */
import { Command, Option } from 'commander'
import {
  collect,
  defaultVolume,
  parseAddress,
  parseHttpAddress,
  parseVolumeName,
} from './arguments.ts'
import { defaultHome } from './home.ts'

export function homeOption(): Option {
  return new Option('--home <dir>', 'directory of the cluster on this machine').default(
    defaultHome,
    '~/.rookery',
  )
}

export function managerOption(): Option {
  return new Option(
    '--manager <address>',
    'where a manager listens, if it is not where it was (may be repeated)',
  ).argParser(collect(parseAddress))
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
  readonly credentials?: string
  readonly manager?: readonly string[]
}

export function credentialsOption(): Option {
  return new Option('--credentials <dir>', 'what to be let in by, if it is not in the home')
}

/** A command that asks a cluster: the home's, or the one that other credentials are of. */
export function clusterCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(homeOption())
    .addOption(credentialsOption())
    .addOption(managerOption())
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
