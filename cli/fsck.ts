/** `rookery fsck`: checks a whole cluster while it is in use, and repairs it. */
import type { Command } from 'commander'
import { type ClusterOptions, clusterCommand } from './options.ts'

export interface FsckOptions extends ClusterOptions {
  readonly repair?: true
  readonly data?: true
  readonly json?: true
  readonly quiet?: true
}

const help = `
All names, inodes and records of blocks are looked at, on all servers, while the cluster is in use. The data
itself is read and compared with its checksums only with --data: that takes as long as the disks need.

What has lost its name is put into the volume lost-found, under its inode number.

Exit status, as of fsck(8): 0 no faults; 1 faults, all of them repaired; 4 faults left; 8 the check could
not be done; 32 it was interrupted.

Examples:
  $ rookery fsck
  $ rookery fsck --data --json > report.json
  $ rookery fsck --repair`

export function fsckCommand(): Command {
  return clusterCommand('fsck', 'Check a cluster while it is in use, and repair it.')
    .option('--repair', 'repair what can be repaired')
    .option('--data', 'read all data and compare it with its checksums')
    .option('--json', 'for programs')
    .option('-q, --quiet', 'say nothing but what was found')
    .addHelpText('after', help)
    .action(async (options: FsckOptions) => {
      const { runFsck } = await import('./run-fsck.ts')
      process.exitCode = await runFsck(options)
    })
}
