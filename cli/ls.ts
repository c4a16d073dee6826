/** `rookery ls`: lists a directory of a volume. */
import type { Command } from 'commander'
import { parseVolumePath, type VolumePath } from './arguments.ts'
import { codeOf } from './failure.ts'
import { fileCommand, pathText, withVolume } from './file-command.ts'
import { formatMode, printableName } from './listing.ts'
import type { ClusterOptions } from './options.ts'
import { formatTable } from './table.ts'
import type { Tree, TreeStats } from './tree.ts'
import { join } from './tree-path.ts'

interface ListOptions extends ClusterOptions {
  readonly long?: true
}

interface Line {
  readonly name: string
  readonly stats: TreeStats
}

/** Attributes asked for at a time. */
const statsAtOnce = 32

export function lsCommand(): Command {
  return fileCommand('ls', 'List a directory.', 'rookery ls -l /photos')
    .argument('<path>', pathText, parseVolumePath)
    .option('-l, --long', 'with mode, owner, size and time')
    .action(ls)
}

async function ls(path: VolumePath, options: ListOptions): Promise<void> {
  await withVolume(path, options, async tree => {
    const stats = await tree.lstat(path.path)
    if (!stats.isDirectory()) {
      print([{ name: path.path, stats }], options)
      return
    }
    const names = (await tree.readdir(path.path, 'buffer')).sort(Buffer.compare)
    if (options.long === true) print(await described(tree, path.path, names), options)
    else if (names.length > 0) console.log(names.map(name => printableName(`${name}`)).join('\n'))
  })
}

async function described(tree: Tree, directory: string, names: readonly Buffer[]): Promise<Line[]> {
  const lines: Line[] = []
  for (let index = 0; index < names.length; index += statsAtOnce) {
    const some = names.slice(index, index + statsAtOnce)
    const found = await Promise.all(some.map(name => describedOne(tree, directory, name)))
    lines.push(...found.filter(line => line !== null))
  }
  return lines
}

/** null when it was removed since the directory was read. */
async function describedOne(tree: Tree, directory: string, name: Buffer): Promise<Line | null> {
  try {
    return { name: `${name}`, stats: await tree.lstat(join(directory, name)) }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

function print(lines: readonly Line[], { long }: ListOptions): void {
  if (lines.length === 0) return
  if (long !== true) {
    console.log(lines.map(({ name }) => printableName(name)).join('\n'))
    return
  }
  const columns = [
    { title: 'MODE', align: 'left' },
    { title: 'LINKS', align: 'right' },
    { title: 'UID', align: 'right' },
    { title: 'GID', align: 'right' },
    { title: 'SIZE', align: 'right' },
    { title: 'MODIFIED', align: 'left' },
    { title: 'NAME', align: 'left' },
  ] as const
  const rows = lines.map(({ name, stats }) => [
    formatMode(stats.mode),
    ...[stats.nlink, stats.uid, stats.gid, stats.size].map(String),
    stats.mtime.toISOString().slice(0, 19).replace('T', ' '),
    printableName(name),
  ])
  console.log(formatTable(columns, rows))
}
