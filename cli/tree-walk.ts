/** Walks a tree, one directory in memory at a time for each level. */
import { join } from 'node:path'
import type { Tree, TreeStats } from './tree.ts'

export interface TreeEntry {
  /** Below the top; empty for the top itself. */
  readonly path: string
  readonly stats: TreeStats
}

/** The top first, and every directory before what is in it. Symbolic links are not followed. */
export async function* walk(tree: Tree, top: string, stats: TreeStats): AsyncGenerator<TreeEntry> {
  yield* visit(tree, top, { path: '', stats })
}

async function* visit(tree: Tree, top: string, entry: TreeEntry): AsyncGenerator<TreeEntry> {
  yield entry
  if (!entry.stats.isDirectory()) return
  const names = await tree.readdir(join(top, entry.path))
  for (const name of names.sort()) {
    const path = join(entry.path, name)
    yield* visit(tree, top, { path, stats: await tree.lstat(join(top, path)) })
  }
}
