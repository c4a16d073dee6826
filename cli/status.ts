/** `rookery status`: who is in the cluster, how they do, and what they hold. */
import type { Command } from 'commander'
import { type ClusterOptions, clusterCommand } from './options.ts'

export interface StatusOptions extends ClusterOptions {
  readonly json?: true
}

export function statusCommand(): Command {
  return clusterCommand('status', 'Show the members of a cluster, their disks and what they hold.')
    .option('--json', 'for programs')
    .addHelpText('after', '\nExample:\n  $ rookery status --home /srv/manager')
    .action(async (options: StatusOptions) => {
      const { runStatus } = await import('./run-status.ts')
      await runStatus(options)
    })
}
