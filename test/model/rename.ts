/** renameat2(2) in the model, with its errors in the order in which Linux finds them. */
import { oneOf } from './answers.ts'
import { type Answer, type ModelIno, type RenameCall, renameFlags } from './calls.ts'
import { childOf, drop, enter, leave } from './entries.ts'
import type { World } from './world.ts'

export function rename(world: World, call: RenameCall, observed: Answer | undefined): Answer {
  const { parent, entry, newParent, newEntry, flags } = call
  const moved = childOf(world, parent, entry)
  const there = childOf(world, newParent, newEntry)
  if (moved === undefined) return oneOf(['ENOENT'], observed)
  const errors = [...errorsOf(world, call, moved, there)]
  if (errors.length > 0) return oneOf(errors, observed)
  if (moved === there) return {}
  leave(world, parent, entry)
  if (there !== undefined) leave(world, newParent, newEntry)
  enter(world, newParent, newEntry, moved)
  if (there === undefined) return {}
  if (flags === renameFlags.exchange) enter(world, parent, entry, there)
  else drop(world, there)
  return {}
}

function* errorsOf(
  world: World,
  { parent, newParent, flags }: RenameCall,
  moved: ModelIno,
  there: ModelIno | undefined,
): Generator<string> {
  const exchange = flags === renameFlags.exchange
  if (flags === renameFlags.noReplace && there !== undefined) yield 'EEXIST'
  if (exchange && there === undefined) yield 'ENOENT'
  if (world.isDirectory(moved) && world.holds(moved, newParent)) yield 'EINVAL'
  if (there === undefined) return
  if (world.isDirectory(there) && world.holds(there, parent))
    yield exchange ? 'EINVAL' : 'ENOTEMPTY'
  if (exchange || moved === there) return
  if (world.isDirectory(moved) && !world.isDirectory(there)) yield 'ENOTDIR'
  if (!world.isDirectory(moved) && world.isDirectory(there)) yield 'EISDIR'
  else if (world.isDirectory(there) && world.get(there)!.entries.size > 0) yield 'ENOTEMPTY'
}
