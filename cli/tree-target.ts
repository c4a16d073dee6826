/** Where a copy is written, and what is there before: symbolic links on the way stay. */
import { maxSymlinksFollowed } from '../network/limits.ts'
import { codeOf, Failure } from './failure.ts'
import { describeType } from './listing.ts'
import type { Place, TreeStats } from './tree.ts'
import { beside, type Path } from './tree-path.ts'

export interface Target extends Place {
  /** null when nothing is there. */
  readonly stats: TreeStats | null
}

/** What a path leads to, or would. */
export async function targetOf({ tree, path }: Place): Promise<Target> {
  let at = path
  for (let links = 0; links <= maxSymlinksFollowed; links++) {
    const stats = await ifThere(tree.lstat(at))
    if (stats?.isSymbolicLink() !== true) return { tree, path: at, stats }
    const end = await ifThere(tree.stat(at))
    // What a link in /proc leads to need not have a name.
    if (end?.isFile() === false) return { tree, path: at, stats: end }
    at = beside(at, await tree.readlink(at, 'buffer'))
  }
  throw new Failure(`${path} leads through too many symbolic links`)
}

export function inTheWay(path: Path, { mode }: TreeStats): Failure {
  return new Failure(`${path} is ${describeType(mode)}: remove it first`)
}

export async function ifThere<T>(looking: Promise<T>): Promise<T | null> {
  try {
    return await looking
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}
