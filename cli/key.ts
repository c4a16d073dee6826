/** `rookery key`: whose keys the cluster lets in. */
import { Command } from 'commander'
import { type ClusterOptions, clusterCommand } from './options.ts'

const examples = `
A server is removed with 'rookery member remove', once it holds nothing.

Examples:
  $ rookery key list
  $ rookery key remove laptop`

export function keyCommand(): Command {
  return new Command('key')
    .description('List the keys that a cluster lets in, and shut out those of clients and people.')
    .addHelpText('after', examples)
    .addCommand(listCommand())
    .addCommand(removeCommand())
}

function listCommand(): Command {
  return clusterCommand('list', 'List the keys that were let in.')
    .alias('ls')
    .option('--json', 'for programs')
    .addHelpText('after', '\nExample:\n  $ rookery key list')
    .action(async (options: ClusterOptions & { readonly json?: true }) => {
      const { list } = await import('./keys.ts')
      await list(options)
    })
}

function removeCommand(): Command {
  return clusterCommand('remove', 'Shut a key out at once: its connections are cut.')
    .argument('<key>', 'its name or peer id')
    .addHelpText('after', '\nExample:\n  $ rookery key remove laptop')
    .action(async (key: string, options: ClusterOptions) => {
      const { remove } = await import('./keys.ts')
      await remove(key, options)
    })
}
