/** `rookery put`: copies a file or a tree into a volume. */
import type { Command } from 'commander'
import { parseVolumePath, type VolumePath } from './arguments.ts'
import type { CopyCommandOptions } from './copy-command.ts'
import { fileCommand, pathText } from './file-command.ts'

export function putCommand(): Command {
  return fileCommand(
    'put',
    'Copy a file or a tree into a volume.',
    'rookery put -r ~/photos /photos',
  )
    .argument('<local>', 'a file or directory of this machine')
    .argument('<path>', pathText, parseVolumePath)
    .option('-r, --recursive', 'a directory with all that is in it')
    .option('--quiet', 'say nothing but errors')
    .action(async (local: string, path: VolumePath, options: CopyCommandOptions) => {
      const { put } = await import('./copy-command.ts')
      await put(local, path, options)
    })
}
