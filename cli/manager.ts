/** `rookery manager`: one manager, in the foreground. */
import { Command, Option } from 'commander'
import type { HttpAddress } from '../network/http/serve.ts'
import { defaultPartitionCount, maxPartitionCount } from '../network/limits.ts'
import type { StoreAddress } from './arguments.ts'
import { collect, countBetween, parseManagerAddress, parseStore } from './arguments.ts'
import { httpOption, logLevelOption } from './options.ts'

export interface ManagerOptions {
  readonly dir: string
  readonly mdns: boolean
  readonly store?: StoreAddress
  readonly listen: readonly string[]
  readonly servers: number
  readonly partitions: number
  readonly replicas: number
  readonly http?: HttpAddress
  readonly logLevel: string
}

export function managerCommand(): Command {
  return new Command('manager')
    .description('Run the manager of a cluster: it tracks who is a member and who serves what.')
    .requiredOption('--dir <dir>', "where it keeps its key, an administrator's, and its state")
    .addOption(
      new Option(
        '--store <url>',
        'etcd://HOST:PORT[,...]/NAME: where several managers keep their state',
      ).argParser(parseStore),
    )
    .requiredOption(
      '--listen <address...>',
      'HOST:PORT or unix:/path',
      collect(parseManagerAddress),
    )
    .option('--no-mdns', 'do not answer machines of this network that look for the cluster')
    .option('--servers <count>', 'servers to wait for at the start', countBetween(1, 1024), 3)
    .option(
      '--partitions <count>',
      'for ever',
      countBetween(1, maxPartitionCount),
      defaultPartitionCount,
    )
    .option(
      '--replicas <count>',
      'copies of each partition (this version keeps one)',
      countBetween(1, 1),
      1,
    )
    .addOption(httpOption())
    .addOption(logLevelOption())
    .addHelpText(
      'after',
      `
Whoever may read the directory administers the cluster: 'rookery status --home DIR', 'rookery token create
--home DIR' and the like.

Examples:
  $ rookery manager --dir /srv/manager --listen 10.0.0.1:7400
  $ rookery manager --dir /srv/manager --listen 10.0.0.1:7400 \\
      --store etcd://10.0.0.1:2379,10.0.0.2:2379/rookery`,
    )
    .action(async (options: ManagerOptions) => {
      const { runManager } = await import('./run-manager.ts')
      await runManager(options)
    })
}
