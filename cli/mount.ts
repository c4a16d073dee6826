/** `rookery mount`: one volume on one directory, in the foreground. */
import { Command, Option } from 'commander'
import type { HttpAddress } from '../network/http/serve.ts'
import {
  type ClusterOptions,
  credentialsOption,
  devOption,
  type FuseBackend,
  fuseOption,
  homeOption,
  httpOption,
  logLevelOption,
  managerOption,
  noAtimeOption,
  privateOption,
  suidOption,
  volumeOption,
} from './options.ts'
import { tokenFileOption } from './token-source.ts'

export interface MountCommandOptions extends ClusterOptions {
  readonly volume: string
  readonly fuse: FuseBackend
  readonly readOnly?: true
  readonly allowOther?: true
  readonly private?: true
  readonly suid?: true
  readonly dev?: true
  readonly noatime?: true
  readonly token?: string
  readonly tokenFile?: string
  readonly http?: HttpAddress
  readonly logLevel: string
}

const example = `
Stays in the foreground; Ctrl-C or 'rookery umount' ends it.

Example:
  $ rookery mount /mnt/rookery --token rk1…     # the first time
  $ rookery mount /mnt/rookery`

export function mountCommand(): Command {
  return new Command('mount')
    .description('Mount a volume of a running cluster.')
    .argument('<mountpoint>', 'an empty directory')
    .option('--token <token>', 'get this machine in first; later mounts need none')
    .addOption(tokenFileOption())
    .addOption(homeOption())
    .addOption(credentialsOption())
    .addOption(managerOption())
    .addOption(volumeOption())
    .addOption(fuseOption())
    .option('--read-only', 'refuse every change')
    .addOption(
      new Option('--allow-other', 'let other users in (default when root mounts)').conflicts(
        'private',
      ),
    )
    .addOption(privateOption())
    .addOption(suidOption())
    .addOption(devOption())
    .addOption(noAtimeOption())
    .addOption(httpOption())
    .addOption(logLevelOption())
    .addHelpText('after', example)
    .action(async (mountpoint: string, options: MountCommandOptions) => {
      const { runMount } = await import('./run-mount.ts')
      await runMount(mountpoint, options)
    })
}
