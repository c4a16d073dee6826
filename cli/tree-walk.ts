/** Walks a tree, one directory in memory at a time for each level. */
import type { Tree, TreeStats } from './tree.ts'
import { join, type Path } from './tree-path.ts'

export interface TreeEntry {
  /** Below the top; empty for the top itself. */
  readonly path: Path
  readonly stats: TreeStats
}

/** The top first, and every directory before what is in it. Symbolic links are not followed. */
export async function* walk(tree: Tree, top: Path, stats: TreeStats): AsyncGenerator<TreeEntry> {
  yield* visit(tree, top, { path: '', stats })
}

async function* visit(tree: Tree, top: Path, entry: TreeEntry): AsyncGenerator<TreeEntry> {
  yield entry
  if (!entry.stats.isDirectory()) return
  const names = await tree.readdir(join(top, entry.path), 'buffer')
  for (const name of names.sort(Buffer.compare)) {
    const path = join(entry.path, name)
    yield* visit(tree, top, { path, stats: await tree.lstat(join(top, path)) })
  }
}
