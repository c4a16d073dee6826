/** `rookery status`: who is in the cluster, how they do, and what they hold. */
import { Command } from 'commander'
import { type ClusterOptions, homeOption, managerOption } from './options.ts'

export interface StatusOptions extends ClusterOptions {
  readonly json?: true
}

export function statusCommand(): Command {
  return new Command('status')
    .description('Show the members of a cluster, their disks and what they hold.')
    .addOption(homeOption())
    .addOption(managerOption())
    .option('--json', 'for programs')
    .addHelpText('after', '\nExample:\n  $ rookery status --manager 10.0.0.1:7400')
    .action(async (options: StatusOptions) => {
      const { runStatus } = await import('./run-status.ts')
      await runStatus(options)
    })
}
