/** Entries of directories in the model, with what depends on them: link counts and the way up. */
import type { ModelIno } from './calls.ts'
import type { World } from './world.ts'

export function childOf(world: World, parent: ModelIno, entry: string): ModelIno | undefined {
  return world.get(parent)?.entries.get(entry)
}

export function enter(world: World, parent: ModelIno, entry: string, ino: ModelIno): void {
  const { entries, nlink } = world.get(parent)!
  const isDirectory = world.isDirectory(ino)
  world.change(parent, {
    entries: new Map(entries).set(entry, ino),
    nlink: isDirectory ? nlink + 1 : nlink,
  })
  if (isDirectory) world.change(ino, { parent })
}

export function leave(world: World, parent: ModelIno, entry: string): void {
  const { entries, nlink } = world.get(parent)!
  const left = new Map(entries)
  const gone = left.get(entry)!
  left.delete(entry)
  world.change(parent, { entries: left, nlink: world.isDirectory(gone) ? nlink - 1 : nlink })
}

/** The inode has lost a name. */
export function drop(world: World, ino: ModelIno): void {
  if (world.isDirectory(ino)) world.remove(ino)
  else world.change(ino, { nlink: world.get(ino)!.nlink - 1 })
}
