/** `rookery up`: a manager, servers and a mount on this machine, started and watched over as one. */
import { Command } from 'commander'
import { countBetween } from './arguments.ts'
import { maxHomeServers } from './home.ts'
import { type ListeningOptions, tlsOption, transportOption } from './listening.ts'
import {
  devOption,
  type FuseBackend,
  fuseOption,
  homeOption,
  logLevelOption,
  noAtimeOption,
  privateOption,
  suidOption,
  volumeOption,
} from './options.ts'
import { checkOptions } from './up-options.ts'

export interface UpOptions extends ListeningOptions {
  readonly home: string
  readonly volume: string
  readonly servers?: number
  readonly port?: number
  readonly http?: number
  readonly fuse: FuseBackend
  readonly private?: true
  readonly suid?: true
  readonly dev?: true
  readonly noatime?: true
  readonly detach?: true
  readonly quiet?: true
  readonly logLevel: string
}

const examples = `
Data, settings and logs live in the home; started again on it, the cluster goes on where it was.

Examples:
  $ rookery up ~/rookery
  $ rookery up /mnt/rookery --servers 4 --home /srv/rookery --detach`

export function upCommand(): Command {
  return new Command('up')
    .description('Start a cluster on this machine and mount it.')
    .argument('<mountpoint>', 'an empty directory; made when it is missing')
    .option(
      '--servers <count>',
      'servers of a new cluster (default: 3)',
      countBetween(1, maxHomeServers),
    )
    .addOption(homeOption())
    .addOption(volumeOption())
    .option('--detach', 'return when it is mounted, and go on in the background')
    .option('--port <port>', 'listen on 127.0.0.1 too, from this port on', countBetween(1, 65_535))
    .addOption(tlsOption())
    .addOption(transportOption())
    .option(
      '--http <port>',
      'a page of its state at http://127.0.0.1:PORT, metrics of all there and from this port on',
      countBetween(0, 65_535),
    )
    .addOption(fuseOption())
    .addOption(privateOption())
    .addOption(suidOption())
    .addOption(devOption())
    .addOption(noAtimeOption())
    .option('--quiet', 'say nothing but errors')
    .addOption(logLevelOption())
    .addHelpText('after', examples)
    .action(async (mountpoint: string, options: UpOptions) => {
      checkOptions(options)
      if (options.detach === true) {
        const { runDetached } = await import('./run-detached.ts')
        await runDetached(mountpoint, options)
      } else {
        const { runUp } = await import('./run-up.ts')
        await runUp(mountpoint, options)
      }
    })
}
