/** `rookery leave`: the server of this machine hands everything over, takes leave and ends. */
import type { Command } from 'commander'
import { type ClusterOptions, clusterCommand } from './options.ts'

export interface LeaveOptions extends ClusterOptions {
  readonly metaDir: string
  readonly quiet?: true
}

const help = `
All that the server holds is moved to the others first; the server runs until that is done. Interrupting the command
does not stop it from draining ('rookery drain NAME --cancel' does), but the server then stays.

Examples:
  $ rookery leave --meta-dir /nvme/meta --manager 10.0.0.1:7400
  $ rookery leave --meta-dir ~/.rookery/servers/3/meta`

export function leaveCommand(): Command {
  return clusterCommand('leave', 'Have the server of this machine leave its cluster.')
    .requiredOption('--meta-dir <dir>', 'directory of its metadata, by which it is known')
    .option('-q, --quiet', 'say nothing but what is wrong')
    .addHelpText('after', help)
    .action(async (options: LeaveOptions) => {
      const { runLeave } = await import('./run-leave.ts')
      await runLeave(options)
    })
}
