/** `rookery volume`: create, change, list and delete volumes. */
import { Command } from 'commander'
import { maxBlockBytes, maxInlineBytes, minBlockBytes } from '../network/limits.ts'
import { bytesBetween, countBetween, parseVolumeName, powerOfTwoBetween } from './arguments.ts'
import { type ClusterOptions, clusterCommand } from './options.ts'

export interface CreateOptions extends ClusterOptions {
  readonly blockSize?: number
  readonly inlineLimit?: number
  readonly replicas?: number
  readonly quota?: number
  readonly quotaFiles?: number
}

export interface SetOptions extends ClusterOptions {
  readonly quota?: number | 'none'
  readonly quotaFiles?: number | 'none'
}

const examples = `
Examples:
  $ rookery volume create films --block-size 8MiB
  $ rookery volume set films --quota 2TiB
  $ rookery volume list`

export function volumeCommand(): Command {
  return new Command('volume')
    .description(
      'Create, change, list and delete volumes: file systems of their own in one cluster.',
    )
    .addHelpText('after', examples)
    .addCommand(createCommand())
    .addCommand(setCommand())
    .addCommand(listCommand())
    .addCommand(deleteCommand())
}

function createCommand(): Command {
  return clusterCommand('create', 'Create a volume.')
    .argument('<name>', 'letters, digits, . _ -', parseVolumeName)
    .option(
      '--block-size <bytes>',
      'a power of two from 64KiB to 8MiB (default: 1MiB)',
      powerOfTwoBetween(minBlockBytes, maxBlockBytes),
    )
    .option(
      '--inline-limit <bytes>',
      'longest file kept beside its inode (default: 8KiB)',
      bytesBetween(0, maxInlineBytes),
    )
    .option('--quota <bytes>', 'what its files may take (default: no limit)', quotaBytes)
    .option(
      '--quota-files <count>',
      'how many files and directories (default: no limit)',
      quotaFiles,
    )
    .option('--replicas <count>', 'copies of each file', countBetween(1, 16))
    .addHelpText('after', '\nExample:\n  $ rookery volume create films --block-size 8MiB')
    .action(async (name: string, options: CreateOptions) => {
      const { create } = await import('./volumes.ts')
      await create(name, options)
    })
}

const quotaBytes = bytesBetween(1, Number.MAX_SAFE_INTEGER)
const quotaFiles = countBetween(1, Number.MAX_SAFE_INTEGER)

function orNone(parse: (text: string) => number): (text: string) => number | 'none' {
  return text => (text === 'none' ? text : parse(text))
}

function setCommand(): Command {
  return clusterCommand('set', 'Change what a volume may take.')
    .argument('<name>', 'letters, digits, . _ -', parseVolumeName)
    .option('--quota <bytes>', "what its files may take, or 'none'", orNone(quotaBytes))
    .option(
      '--quota-files <count>',
      "how many files and directories, or 'none'",
      orNone(quotaFiles),
    )
    .addHelpText(
      'after',
      '\nExample:\n  $ rookery volume set films --quota 2TiB --quota-files none',
    )
    .action(async (name: string, options: SetOptions) => {
      const { change } = await import('./volumes.ts')
      await change(name, options)
    })
}

function listCommand(): Command {
  return clusterCommand('list', 'List the volumes.')
    .alias('ls')
    .option('--json', 'for programs')
    .addHelpText('after', '\nExample:\n  $ rookery volume list')
    .action(async (options: ClusterOptions & { readonly json?: true }) => {
      const { list } = await import('./volumes.ts')
      await list(options)
    })
}

function deleteCommand(): Command {
  return clusterCommand('delete', 'Delete an empty volume.')
    .argument('<name>', 'letters, digits, . _ -', parseVolumeName)
    .addHelpText('after', '\nExample:\n  $ rookery volume delete films')
    .action(async (name: string, options: ClusterOptions) => {
      const { remove } = await import('./volumes.ts')
      await remove(name, options)
    })
}
