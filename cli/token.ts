/** `rookery token`: what lets machines and people into a cluster. */
import { Command, Option } from 'commander'
import { maxTokenUses } from '../network/limits.ts'
import { countBetween, parseDuration } from './arguments.ts'
import { type ClusterOptions, clusterCommand } from './options.ts'

export interface CreateTokenOptions extends ClusterOptions {
  readonly role: 'server' | 'client' | 'admin'
  readonly uses: number
  readonly expires: number
}

export function tokenCommand(): Command {
  return new Command('token')
    .description('Let machines into a cluster: tokens are handed to them, and spent there.')
    .addHelpText(
      'after',
      `
A token is a secret until it is used or has expired: whoever has it first is let in.

Examples:
  $ rookery token create                      # lets in one server within the hour
  $ rookery token create --role client --uses 20 --expires 7d
  $ rookery token list`,
    )
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(revokeCommand())
}

function createCommand(): Command {
  return clusterCommand('create', 'Create a token, and print it.')
    .addOption(
      new Option('--role <role>', 'what it lets in')
        .choices(['server', 'client', 'admin'])
        .default('server'),
    )
    .option('--uses <count>', 'how many it lets in', countBetween(1, maxTokenUses), 1)
    .option('--expires <time>', '30m, 1h, 7d (default: 1h)', parseDuration, 3_600_000)
    .addHelpText('after', '\nExample:\n  $ rookery token create --role client --expires 1d')
    .action(async (options: CreateTokenOptions) => {
      const { create } = await import('./tokens.ts')
      await create(options)
    })
}

function listCommand(): Command {
  return clusterCommand('list', 'List the tokens there are, without their secrets.')
    .alias('ls')
    .option('--json', 'for programs')
    .addHelpText('after', '\nExample:\n  $ rookery token list')
    .action(async (options: ClusterOptions & { readonly json?: true }) => {
      const { list } = await import('./tokens.ts')
      await list(options)
    })
}

function revokeCommand(): Command {
  return clusterCommand('revoke', 'Make a token worthless. Whoever it has let in stays.')
    .argument('<id>', "as 'token list' shows it")
    .addHelpText('after', '\nExample:\n  $ rookery token revoke 3fa94c01')
    .action(async (id: string, options: ClusterOptions) => {
      const { revoke } = await import('./tokens.ts')
      await revoke(id, options)
    })
}
