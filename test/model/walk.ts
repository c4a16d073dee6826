/** A file system as a client sees it: walked through, and taken down name by name. */
import type { FileSystem } from '../../client/fs/contract.ts'
import { fileType } from '../../network/wire/attributes.ts'
import { Actor } from './actor.ts'
import type { Answer, Call, ModelIno } from './calls.ts'
import { newNode, typeOf, World } from './world.ts'

/** Everything there is, as a world of the model. */
export async function walk(fileSystem: FileSystem): Promise<World> {
  const actor = new Actor(fileSystem)
  const world = World.empty(fileSystem.root)
  const visit = async (ino: ModelIno, parent: ModelIno) => {
    const { attributes } = await succeed(actor, { name: 'getattr', ino })
    const { mode, nlink, uid, gid } = attributes!
    const node = { ...newNode(mode, { uid, gid }), nlink, parent }
    if (typeOf(mode) !== fileType.directory) {
      world.put(ino, { ...node, data: await dataOf(actor, ino, mode) })
      return
    }
    const { entries } = await succeed(actor, { name: 'readdir', ino })
    const children = entries!.map(entry => entry.split(':') as [string, string])
    world.put(ino, { ...node, entries: new Map(children.map(([name, child]) => [name, +child])) })
    for (const [, child] of children) await visit(Number(child), ino)
  }
  await visit(fileSystem.root, fileSystem.root)
  return world
}

async function dataOf(actor: Actor, ino: ModelIno, mode: number): Promise<string> {
  if (typeOf(mode) === fileType.symlink) {
    return (await succeed(actor, { name: 'readlink', ino })).data!
  }
  await succeed(actor, { name: 'open', ino, truncate: false })
  const { data } = await succeed(actor, { name: 'read', ino })
  await succeed(actor, { name: 'release', ino })
  return data!
}

/** Uses every name once more, and removes it. @throws when one does not work. */
export async function takeDown(fileSystem: FileSystem, world: World): Promise<void> {
  const actor = new Actor(fileSystem)
  const clear = async (parent: ModelIno) => {
    for (const [entry, ino] of world.get(parent)?.entries ?? []) {
      const isDirectory = world.isDirectory(ino)
      if (isDirectory) await clear(ino)
      const newParent = world.root
      const moved = { parent, entry, newParent, newEntry: 'moved', flags: 1 }
      await succeed(actor, { name: 'rename', ...moved })
      const name = isDirectory ? 'rmdir' : 'unlink'
      await succeed(actor, { name, parent: newParent, entry: 'moved' })
      await succeed(actor, { name: 'mkdir', parent, entry, mode: 0o755 })
      await succeed(actor, { name: 'rmdir', parent, entry })
    }
  }
  await clear(world.root)
}

async function succeed(actor: Actor, call: Call): Promise<Answer> {
  const answer = await actor.perform(call)
  if (answer.error === undefined) return answer
  throw new Error(`${JSON.stringify(call)}: ${answer.error}`)
}
