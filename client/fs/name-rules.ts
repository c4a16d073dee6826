/** What may be the name of an entry: any bytes but NUL and '/', at most 255. */
import { PosixError } from '../../network/errors.ts'
import { maxNameBytes, maxSymlinkBytes } from '../../network/limits.ts'
import type { Name } from '../../network/wire/operations.ts'

const slash = 0x2f
const dot = 0x2e

export function isName(name: Name): boolean {
  const { length } = name
  if (length === 0 || length > maxNameBytes || isDots(name)) return false
  return !name.includes(0) && !name.includes(slash)
}

/** @throws PosixError ENAMETOOLONG, EINVAL (`.` and `..` too: the surfaces resolve them). */
export function checkName(name: Name): void {
  if (isName(name)) return
  const { length } = name
  if (length > maxNameBytes) throw new PosixError('ENAMETOOLONG', `a name of ${length} bytes`)
  if (length === 0) throw new PosixError('EINVAL', 'an empty name')
  if (isDots(name)) throw new PosixError('EINVAL', "'.' and '..' are no entries")
  throw new PosixError('EINVAL', 'a name with NUL or a slash')
}

function isDots(name: Name): boolean {
  return name[0] === dot && (name.length === 1 || (name.length === 2 && name[1] === dot))
}

/** @throws PosixError ENOENT (as symlink(2) has it for an empty target), ENAMETOOLONG. */
export function checkTarget(target: Uint8Array): void {
  if (target.length === 0) throw new PosixError('ENOENT', 'an empty target')
  if (target.length > maxSymlinkBytes) {
    throw new PosixError('ENAMETOOLONG', `a target of ${target.length} bytes`)
  }
}
