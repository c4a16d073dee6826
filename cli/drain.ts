/** `rookery drain`: has everything moved away from one server, while the cluster is in use. */
import type { Command } from 'commander'
import { type ClusterOptions, clusterCommand } from './options.ts'

export interface DrainOptions extends ClusterOptions {
  readonly cancel?: true
  readonly quiet?: true
}

const help = `
Files are read and written meanwhile. Interrupting the command does not stop the drain: the same command shows it
again, and --cancel gives the server its share back. A server that drains stays a member until it is removed.

Examples:
  $ rookery drain server-3
  $ rookery drain server-3 --cancel`

export function drainCommand(): Command {
  return clusterCommand('drain', 'Move everything away from a server, so that it may go.')
    .argument('<member>', "its name or id, as in 'rookery member list'")
    .option('--cancel', 'give it its share back')
    .option('-q, --quiet', 'say nothing but what is wrong')
    .addHelpText('after', help)
    .action(async (member: string, options: DrainOptions) => {
      const { runDrain } = await import('./run-drain.ts')
      await runDrain(member, options)
    })
}
