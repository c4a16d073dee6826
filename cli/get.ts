/** `rookery get`: copies a file or a tree out of a volume. */
import type { Command } from 'commander'
import { parseVolumePath, type VolumePath } from './arguments.ts'
import type { CopyCommandOptions } from './copy-command.ts'
import { fileCommand, pathText } from './file-command.ts'

export function getCommand(): Command {
  return fileCommand('get', 'Copy a file or a tree out of a volume.', 'rookery get /a.txt .')
    .argument('<path>', pathText, parseVolumePath)
    .argument('<local>', 'where to on this machine')
    .option('-r, --recursive', 'a directory with all that is in it')
    .option('--quiet', 'say nothing but errors')
    .action(async (path: VolumePath, local: string, options: CopyCommandOptions) => {
      const { get } = await import('./copy-command.ts')
      await get(path, local, options)
    })
}
