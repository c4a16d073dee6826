/** `rookery mount`: one volume on one directory, in the foreground. */
import { Command } from 'commander'
import {
  type ClusterOptions,
  type FuseBackend,
  fuseOption,
  homeOption,
  logLevelOption,
  managerOption,
  volumeOption,
} from './options.ts'

export interface MountCommandOptions extends ClusterOptions {
  readonly volume: string
  readonly fuse: FuseBackend
  readonly readOnly?: true
  readonly allowOther?: true
  readonly logLevel: string
}

const example = `
Stays in the foreground; Ctrl-C or 'rookery umount' ends it.

Example:
  $ rookery mount /mnt/rookery --manager 10.0.0.1:7400`

export function mountCommand(): Command {
  return new Command('mount')
    .description('Mount a volume of a running cluster.')
    .argument('<mountpoint>', 'an empty directory')
    .addOption(managerOption())
    .addOption(homeOption())
    .addOption(volumeOption())
    .addOption(fuseOption())
    .option('--read-only', 'refuse every change')
    .option('--allow-other', 'let other users in (default when root mounts)')
    .addOption(logLevelOption())
    .addHelpText('after', example)
    .action(async (mountpoint: string, options: MountCommandOptions) => {
      const { runMount } = await import('./run-mount.ts')
      await runMount(mountpoint, options)
    })
}
