/** `rookery join`: makes this machine a server of a cluster, or lets it use one. */
import { Command } from 'commander'
import type { HttpAddress } from '../network/http/serve.ts'
import { collect, parseAddress, parseWeight } from './arguments.ts'
import { type ListeningOptions, tlsOption, transportOption } from './listening.ts'
import { homeOption, httpOption, logLevelOption } from './options.ts'
import { tokenFileOption } from './token-source.ts'

export interface JoinOptions extends ListeningOptions {
  readonly home: string
  readonly metaDir?: string
  readonly dataDir?: string
  readonly listen?: readonly string[]
  readonly name?: string
  readonly domain?: string
  readonly weight?: number
  readonly printUnit?: true
  readonly tokenFile?: string
  readonly http?: HttpAddress
  readonly logLevel: string
}

const examples = `
With a server's token it starts the server, in the foreground; later 'rookery server --meta-dir DIR' does, with the
same addresses, name and disks. With --print-unit it starts nothing: the machine is let in, and a unit for systemd
that starts the server is printed. With a client's or administrator's token the home gets what commands go by.

Examples:
  $ rookery join rk1… --meta-dir /nvme/meta --data-dir /disk/data
  $ rookery join rk1… --meta-dir /nvme/meta --data-dir /disk/data --print-unit \\
      > /etc/systemd/system/rookery-server.service
  $ rookery join rk1…                         # a client's or an administrator's
  $ rookery join --token-file - < token       # other users of this machine do not see it`

export function joinCommand(): Command {
  return new Command('join')
    .description('Join a cluster with a token: as a server, or to use or administer it.')
    .argument('[token]', "as 'rookery token create' printed it")
    .addOption(tokenFileOption())
    .option('--meta-dir <dir>', 'of a server: metadata, a small, fast disk')
    .option('--data-dir <dir>', 'of a server: file data, a large disk')
    .option('--listen <address...>', 'HOST:PORT (default: 0.0.0.0:7401)', collect(parseAddress))
    .addOption(tlsOption())
    .addOption(transportOption())
    .option('--name <name>', 'for people (default: the name of the host)')
    .option('--domain <name>', 'what fails together with it (default: the name of the host)')
    .option('--weight <number>', 'its share, relative to the others (default: 1)', parseWeight)
    .option('--print-unit', 'print a unit for systemd in place of starting the server')
    .addOption(homeOption())
    .addOption(httpOption())
    .addOption(logLevelOption())
    .addHelpText('after', examples)
    .action(async (token: string | undefined, options: JoinOptions) => {
      const { runJoin } = await import('./run-join.ts')
      await runJoin(token, options)
    })
}
