/** `rookery stat`: what an inode of a volume says of itself. */
import type { Command } from 'commander'
import { parseVolumePath, type VolumePath } from './arguments.ts'
import { fileCommand, pathText, withVolume } from './file-command.ts'
import { formatMode, printableName } from './listing.ts'
import type { ClusterOptions } from './options.ts'

interface StatOptions extends ClusterOptions {
  readonly json?: true
}

export function statCommand(): Command {
  return fileCommand('stat', 'Show what an inode says of itself.', 'rookery stat /photos/1.jpg')
    .argument('<path>', pathText, parseVolumePath)
    .option('--json', 'for programs')
    .action(stat)
}

async function stat(path: VolumePath, options: StatOptions): Promise<void> {
  const stats = await withVolume(path, options, tree => tree.lstat(path.path))
  const { ino, mode, nlink, uid, gid, size, atime, mtime, ctime } = stats
  const shown = { volume: path.volume, path: path.path, ino, nlink, uid, gid, size }
  if (options.json === true) {
    console.log(JSON.stringify({ ...shown, mode, atime, mtime, ctime }, null, 2))
    return
  }
  const octal = (mode & 0o7777).toString(8).padStart(4, '0')
  const lines = {
    ...shown,
    path: printableName(path.path),
    mode: `${formatMode(mode)} (${octal})`,
    atime: atime.toISOString(),
    mtime: mtime.toISOString(),
    ctime: ctime.toISOString(),
  }
  for (const [name, value] of Object.entries(lines)) console.log(`${name.padEnd(8)}${value}`)
}
