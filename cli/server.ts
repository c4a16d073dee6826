/** `rookery server`: one server, in the foreground. */
import { Command } from 'commander'
import type { HttpAddress } from '../network/http/serve.ts'
import { collect, parseAddress, parseWeight } from './arguments.ts'
import { httpOption, logLevelOption, managerOption } from './options.ts'

export interface ServerOptions {
  readonly metaDir: string
  readonly dataDir: string
  readonly manager: readonly string[]
  readonly listen: readonly string[]
  readonly name?: string
  readonly domain?: string
  readonly weight?: number
  readonly http?: HttpAddress
  readonly logLevel: string
}

const example = `
Example:
  $ rookery server --meta-dir /nvme/meta --data-dir /disk/data \\
      --manager 10.0.0.1:7400 --listen 10.0.0.2:7401`

export function serverCommand(): Command {
  return new Command('server')
    .description('Run one server: a share of the metadata and of the data, on two disks.')
    .requiredOption('--meta-dir <dir>', 'metadata: a small, fast disk')
    .requiredOption('--data-dir <dir>', 'file data: a large disk')
    .addOption(managerOption().makeOptionMandatory())
    .requiredOption('--listen <address...>', 'HOST:PORT or unix:/path', collect(parseAddress))
    .option('--name <name>', 'for people (default: the name of the host)')
    .option('--domain <name>', 'what fails together with it (default: the name of the host)')
    .option('--weight <number>', 'its share, relative to the others (default: 1)', parseWeight)
    .addOption(httpOption())
    .addOption(logLevelOption())
    .addHelpText('after', example)
    .action(async (options: ServerOptions) => {
      const { runServer } = await import('./run-server.ts')
      await runServer(options)
    })
}
