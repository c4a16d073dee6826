/** `rookery rm`: removes a file, or a tree from its leaves up. */
import type { Command } from 'commander'
import { parseVolumePath, type VolumePath } from './arguments.ts'
import { Failure } from './failure.ts'
import { fileCommand, pathText, withVolume } from './file-command.ts'
import type { ClusterOptions } from './options.ts'
import type { Tree } from './tree.ts'
import { join, type Path } from './tree-path.ts'

interface RemoveOptions extends ClusterOptions {
  readonly recursive?: true
}

export function rmCommand(): Command {
  return fileCommand('rm', 'Remove a file or a tree.', 'rookery rm -r /photos/old')
    .argument('<path>', pathText, parseVolumePath)
    .option('-r, --recursive', 'a directory with all that is in it')
    .action(rm)
}

async function rm(path: VolumePath, options: RemoveOptions): Promise<void> {
  if (path.path === '/') {
    throw new Failure(
      `${path.volume}:/ is the top of a volume: to remove it, see 'rookery volume delete'`,
    )
  }
  await withVolume(path, options, async tree => {
    const directory = (await tree.lstat(path.path)).isDirectory()
    if (directory && options.recursive !== true) {
      throw new Failure(`${path.path} is a directory: use --recursive to remove it`)
    }
    await remove(tree, path.path, directory)
  })
}

export async function remove(tree: Tree, path: Path, directory: boolean): Promise<void> {
  if (!directory) {
    await tree.unlink(path)
    return
  }
  for (const name of await tree.readdir(path, 'buffer')) {
    const child = join(path, name)
    await remove(tree, child, (await tree.lstat(child)).isDirectory())
  }
  await tree.rmdir(path)
}
