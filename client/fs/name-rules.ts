/** What may be the name of an entry: any bytes but NUL and '/', at most 255. */
import { PosixError } from '../../network/errors.ts'
import { maxNameBytes, maxSymlinkBytes } from '../../network/limits.ts'
import type { Name } from '../../network/wire/operations.ts'

const slash = 0x2f
const dot = 0x2e

/** @throws PosixError ENAMETOOLONG, EINVAL (`.` and `..` too: the surfaces resolve them). */
export function checkName(name: Name): void {
  const { length } = name
  if (length > maxNameBytes) throw new PosixError('ENAMETOOLONG', `a name of ${length} bytes`)
  if (length === 0) throw new PosixError('EINVAL', 'an empty name')
  if (name[0] === dot && (length === 1 || (length === 2 && name[1] === dot))) {
    throw new PosixError('EINVAL', "'.' and '..' are no entries")
  }
  if (name.includes(0) || name.includes(slash)) {
    throw new PosixError('EINVAL', 'a name with NUL or a slash')
  }
}

/** @throws PosixError ENOENT (as symlink(2) has it for an empty target), ENAMETOOLONG. */
export function checkTarget(target: Uint8Array): void {
  if (target.length === 0) throw new PosixError('ENOENT', 'an empty target')
  if (target.length > maxSymlinkBytes) {
    throw new PosixError('ENAMETOOLONG', `a target of ${target.length} bytes`)
  }
}
