/** Commands on files of a volume, without a mount: what there is to say on the command line. */
import { Command } from 'commander'
import { parseVolumePath, type VolumePath } from './arguments.ts'
import { type ClusterOptions, homeOption, managerOption } from './options.ts'

export interface CopyOptions extends ClusterOptions {
  readonly recursive?: true
  readonly quiet?: true
}

export interface ListOptions extends ClusterOptions {
  readonly long?: true
}

const pathText = 'VOLUME:/path, or /path of the volume `default`'

export function lsCommand(): Command {
  return onFiles('ls', 'List a directory.', 'rookery ls -l /photos')
    .argument('<path>', pathText, parseVolumePath)
    .option('-l, --long', 'with type, mode, owner, size and time')
    .action(async (path: VolumePath, options: ListOptions) => {
      const { list } = await import('./file-listing.ts')
      await list(path, options)
    })
}

export function statCommand(): Command {
  return onFiles('stat', 'Show what an inode says of itself.', 'rookery stat /photos/1.jpg')
    .argument('<path>', pathText, parseVolumePath)
    .option('--json', 'for programs')
    .action(async (path: VolumePath, options: ClusterOptions & { readonly json?: true }) => {
      const { show } = await import('./file-listing.ts')
      await show(path, options)
    })
}

export function catCommand(): Command {
  return onFiles('cat', 'Write a file to standard output.', 'rookery cat films:/a.mkv | mpv -')
    .argument('<path>', pathText, parseVolumePath)
    .action(async (path: VolumePath, options: ClusterOptions) => {
      const { cat } = await import('./file-copy.ts')
      await cat(path, options)
    })
}

export function putCommand(): Command {
  return onFiles('put', 'Copy a file or a tree into a volume.', 'rookery put -r ~/photos /photos')
    .argument('<local>', 'a file or directory of this machine')
    .argument('<path>', `${pathText}: the new file or directory`, parseVolumePath)
    .option('-r, --recursive', 'a directory with all that is in it')
    .option('--quiet', 'say nothing but errors')
    .action(async (local: string, path: VolumePath, options: CopyOptions) => {
      const { put } = await import('./file-copy.ts')
      await put(local, path, options)
    })
}

export function getCommand(): Command {
  return onFiles('get', 'Copy a file or a tree out of a volume.', 'rookery get -r /photos ~/photos')
    .argument('<path>', pathText, parseVolumePath)
    .argument('<local>', 'the new file or directory on this machine')
    .option('-r, --recursive', 'a directory with all that is in it')
    .option('--quiet', 'say nothing but errors')
    .action(async (path: VolumePath, local: string, options: CopyOptions) => {
      const { get } = await import('./file-copy.ts')
      await get(path, local, options)
    })
}

export function rmCommand(): Command {
  return onFiles('rm', 'Remove a file or a tree.', 'rookery rm -r /photos/old')
    .argument('<path>', pathText, parseVolumePath)
    .option('-r, --recursive', 'a directory with all that is in it')
    .action(async (path: VolumePath, options: CopyOptions) => {
      const { remove } = await import('./file-removal.ts')
      await remove(path, options)
    })
}

function onFiles(name: string, description: string, example: string): Command {
  return new Command(name)
    .description(description)
    .addOption(managerOption())
    .addOption(homeOption())
    .addHelpText('after', `\nExample:\n  $ ${example}`)
}
