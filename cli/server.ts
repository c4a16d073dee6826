/** `rookery server`: one server, in the foreground. */
import { Command } from 'commander'
import type { HttpAddress } from '../network/http/serve.ts'
import { collect, parseAddress, parseWeight } from './arguments.ts'
import { type ListeningOptions, tlsOption, transportOption } from './listening.ts'
import { httpOption, logLevelOption, managerOption } from './options.ts'

export interface ServerOptions extends ListeningOptions {
  readonly metaDir: string
  readonly dataDir?: string
  readonly manager?: readonly string[]
  readonly listen?: readonly string[]
  readonly name?: string
  readonly domain?: string
  readonly weight?: number
  readonly http?: HttpAddress
  readonly logLevel: string
}

const example = `
What is not said is as 'rookery join' was told.

Example:
  $ rookery server --meta-dir /nvme/meta`

export function serverCommand(): Command {
  return new Command('server')
    .description('Run one server that has joined: a share of metadata and data, on two disks.')
    .requiredOption('--meta-dir <dir>', 'metadata: a small, fast disk')
    .option('--data-dir <dir>', 'file data: a large disk')
    .addOption(managerOption())
    .option('--listen <address...>', 'HOST:PORT or unix:/path', collect(parseAddress))
    .addOption(tlsOption())
    .addOption(transportOption())
    .option('--name <name>', 'for people (default: the name of the host)')
    .option('--domain <name>', 'what fails together with it (default: the name of the host)')
    .option(
      '--weight <number>',
      'its share, relative to the others (default: its data disk in GiB)',
      parseWeight,
    )
    .addOption(httpOption())
    .addOption(logLevelOption())
    .addHelpText('after', example)
    .action(async (options: ServerOptions) => {
      const { runServer } = await import('./run-server.ts')
      await runServer(options)
    })
}
