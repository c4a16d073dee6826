/** How a file is opened: the words of node:fs ('r', 'w+', 'ax', …) or the numbers of open(2). */
import { constants } from 'node:fs'
import { PosixError } from '../../network/errors.ts'

export interface OpenFlags {
  readonly readable: boolean
  readonly writable: boolean
  readonly append: boolean
  readonly create: boolean
  readonly exclusive: boolean
  readonly truncate: boolean
  /** What a write has written is on the servers' disks when it is done. */
  readonly sync: boolean
  readonly directory: boolean
  readonly noFollow: boolean
}

const { O_RDONLY, O_RDWR, O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_TRUNC, O_SYNC, O_DSYNC } =
  constants

const words: { readonly [word: string]: number } = {
  r: O_RDONLY,
  'r+': O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  'w+': O_RDWR | O_CREAT | O_TRUNC,
  a: O_WRONLY | O_CREAT | O_APPEND,
  'a+': O_RDWR | O_CREAT | O_APPEND,
}

/** @throws PosixError EINVAL */
export function parseFlags(flags: string | number): OpenFlags {
  const bits = typeof flags === 'number' ? flags : bitsOf(flags)
  const access = bits & (O_RDONLY | O_WRONLY | O_RDWR)
  return {
    readable: access !== O_WRONLY,
    writable: access !== O_RDONLY,
    append: (bits & O_APPEND) !== 0,
    create: (bits & O_CREAT) !== 0,
    exclusive: (bits & O_EXCL) !== 0,
    truncate: (bits & O_TRUNC) !== 0,
    sync: (bits & O_DSYNC) !== 0,
    directory: (bits & constants.O_DIRECTORY) !== 0,
    noFollow: (bits & constants.O_NOFOLLOW) !== 0,
  }
}

/** 's' is synchronous, 'x' is exclusive; their place in the word is free. */
function bitsOf(flags: string): number {
  const word = flags.replace(/[sx]/g, '')
  const bits = Object.hasOwn(words, word) ? words[word] : undefined
  if (bits === undefined) throw new PosixError('EINVAL', `flags '${flags}'`)
  return bits | (flags.includes('x') ? O_EXCL : 0) | (flags.includes('s') ? O_SYNC : 0)
}
