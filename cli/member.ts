/** `rookery member`: who is in the cluster, and what holds of them. */
import { Command } from 'commander'
import { parseWeight } from './arguments.ts'
import { type ClusterOptions, clusterCommand } from './options.ts'

export interface ListOptions extends ClusterOptions {
  readonly json?: true
}

export interface RemoveOptions extends ClusterOptions {
  readonly force?: true
}

export interface LabelOptions extends ClusterOptions {
  readonly name?: string
  readonly domain?: string
  readonly weight?: number
}

const examples = `
Examples:
  $ rookery member list
  $ rookery member label server-3 --domain rack2 --weight 4000
  $ rookery member remove server-3`

export function memberCommand(): Command {
  return new Command('member')
    .description('List, label and remove members of a cluster.')
    .addHelpText('after', examples)
    .addCommand(listCommand())
    .addCommand(labelCommand())
    .addCommand(removeCommand())
}

function listCommand(): Command {
  return clusterCommand('list', 'List the members.')
    .alias('ls')
    .option('--json', 'for programs')
    .addHelpText('after', '\nExample:\n  $ rookery member list')
    .action(async (options: ListOptions) => {
      const { listMembers } = await import('./members.ts')
      await listMembers(options)
    })
}

function labelCommand(): Command {
  return clusterCommand('label', 'Say what holds of a server, whatever it was started with.')
    .argument('<member>', 'its name or id')
    .option('--name <name>', 'for people')
    .option('--domain <name>', 'what fails together with it: copies are kept in different ones')
    .option('--weight <number>', 'its share, relative to the others', parseWeight)
    .addHelpText('after', '\nExample:\n  $ rookery member label server-3 --domain rack2')
    .action(async (member: string, options: LabelOptions) => {
      const { labelMember } = await import('./members.ts')
      await labelMember(member, options)
    })
}

const removeHelp = `
A server that still holds something is to drain first. With --force one that will not be back is removed at once, if
others have everything that it had: they make up for the copies that are gone.

Example:
  $ rookery member remove server-3`

function removeCommand(): Command {
  return clusterCommand('remove', 'Remove a server: it is not taken in again.')
    .argument('<member>', 'its name or id')
    .option('--force', 'although it holds copies, if others have them too')
    .addHelpText('after', removeHelp)
    .action(async (member: string, options: RemoveOptions) => {
      const { removeMember } = await import('./members.ts')
      await removeMember(member, options)
    })
}
