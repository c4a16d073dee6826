/**
 * What is copied has its name only when it is whole: until then it is `….partial`, which is removed when
 * the copy fails. What had the name before is there until then.
 */
import { createHash, randomBytes } from 'node:crypto'
import { maxNameBytes } from '../network/limits.ts'
import { codeOf, Failure } from './failure.ts'
import type { Place } from './tree.ts'
import { basename, beside, type Path } from './tree-path.ts'

/** @throws what `make` and `fill` throw, told of the name that it was to have. */
export async function replace<T>(
  { tree, path }: Place,
  make: (partial: Path) => Promise<T>,
  fill: (made: T) => Promise<void>,
): Promise<void> {
  const partial = partialPath(path)
  try {
    const made = await make(partial)
    await nameOrRemove({ tree, path }, partial, () => fill(made))
  } catch (error) {
    throw error instanceof Failure ? error : toldOf(path, partial, error)
  }
}

async function nameOrRemove(
  { tree, path }: Place,
  partial: Path,
  fill: () => Promise<void>,
): Promise<void> {
  try {
    await fill()
    await tree.rename(partial, path)
  } catch (error) {
    await tree.unlink(partial).catch(cause => {
      throw new Failure(`${partial} is incomplete and could not be removed (${codeOf(cause)})`, {
        cause: error,
      })
    })
    throw error
  }
}

/** In the same directory, and no name that a tree being copied, or another copy, may hold itself. */
function partialPath(path: Path): Path {
  const suffix = `.${randomBytes(6).toString('hex')}.partial`
  const name = basename(path)
  const fits = name.length + suffix.length <= maxNameBytes
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 32)
  return beside(path, Buffer.concat([fits ? name : Buffer.from(hash), Buffer.from(suffix)]))
}

/** Nobody has heard of the partial name. */
function toldOf(path: Path, partial: Path, error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const text = error.message.replaceAll(`'${partial}' -> `, '').replaceAll(`${partial}`, `${path}`)
  if (text === error.message) return error
  return Object.assign(new Error(text, { cause: error }), { code: codeOf(error) })
}
