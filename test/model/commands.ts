/**
 * Commands: what a client is to do, said so that they mean something whatever has happened before, and so
 * that any of them can be left out (shrinking). They become calls when their turn comes.
 */
import fc from 'fast-check'
import { fileType } from '../../network/wire/attributes.ts'
import type { Answer, Call, ModelIno } from './calls.ts'

export interface Command {
  readonly kind: Call['name'] | 'chown' | 'truncate' | 'append'
  /** Which of the directories that the client knows; also the other one of a rename. */
  readonly directory: number
  readonly other: number
  readonly name: string
  readonly newName: string
  /** Which of the inodes that the client knows. */
  readonly inode: number
  readonly flags: number
  readonly value: number
}

/** How often each comes. */
const weights: { readonly [kind in Command['kind']]: number } = {
  lookup: 3,
  getattr: 2,
  readdir: 3,
  readlink: 1,
  create: 3,
  symlink: 1,
  link: 4,
  mkdir: 5,
  unlink: 4,
  rmdir: 4,
  rename: 8,
  open: 1,
  release: 1,
  read: 2,
  write: 1,
  append: 2,
  setattr: 1,
  chown: 1,
  truncate: 1,
  setxattr: 1,
  getxattr: 1,
  removexattr: 1,
}

/** Changes of files rather than of names. */
const dataWeights: typeof weights = {
  ...weights,
  mkdir: 1,
  rmdir: 1,
  link: 1,
  rename: 2,
  open: 1,
  release: 0,
  read: 12,
  write: 12,
  append: 16,
  truncate: 10,
  getattr: 6,
}

/** Of a client that alone makes, writes and removes files. */
const workWeights: typeof weights = {
  ...weights,
  create: 30,
  unlink: 20,
  write: 25,
  append: 1,
  read: 4,
  release: 6,
  lookup: 3,
  mkdir: 1,
  rmdir: 1,
  rename: 3,
  link: 2,
  symlink: 1,
  getattr: 3,
  truncate: 2,
  setxattr: 0,
  getxattr: 0,
  removexattr: 0,
}

export const entryNames = ['a', 'b', 'd'] as const

function commandsOf(
  often: typeof weights,
  names: readonly string[] = entryNames,
): fc.Arbitrary<Command> {
  const kinds = Object.keys(often) as Command['kind'][]
  const weighted = kinds.map(kind => ({ weight: often[kind], arbitrary: fc.constant(kind) }))
  return fc.record({
    kind: fc.oneof(...weighted),
    directory: fc.nat({ max: 2 }),
    other: fc.nat({ max: 2 }),
    name: fc.constantFrom(...names),
    newName: fc.constantFrom(...entryNames),
    inode: fc.nat({ max: 3 }),
    flags: fc.constantFrom(0, 0, 1, 2),
    value: fc.nat({ max: 99 }),
  })
}

export const command = commandsOf(weights)
/** Of directories that are split, whose listing is a call for each shard. */
export const splitCommand = commandsOf({ ...weights, readdir: 0, getattr: 6, lookup: 6 })
export const workCommand = commandsOf(workWeights, [...entryNames, 'e', 'f', 'g'])
export const dataCommand = commandsOf(dataWeights)

/** What a client has seen so far, newest first. */
export class Knowledge {
  readonly #root: ModelIno
  readonly #types = new Map<ModelIno, number>()
  #directories: ModelIno[]
  #others: ModelIno[] = []
  #open: ModelIno[] = []

  constructor(root: ModelIno) {
    this.#root = root
    this.#directories = [root]
  }

  directory(index: number): ModelIno {
    return this.#directories[index % this.#directories.length] ?? this.#root
  }

  /** Something that is no directory, if any. */
  other(index: number): ModelIno | undefined {
    return this.#others[index % Math.max(1, this.#others.length)]
  }

  file(index: number): ModelIno | undefined {
    const files = this.#others.filter(ino => this.isRegular(ino))
    return files[index % Math.max(1, files.length)]
  }

  opened(index: number): ModelIno | undefined {
    return this.#open[index % Math.max(1, this.#open.length)]
  }

  isRegular(ino: ModelIno): boolean {
    return this.#types.get(ino) === fileType.regular
  }

  /** An inode of that type was seen. */
  saw(ino: ModelIno, mode: number): void {
    const type = mode & fileType.mask
    this.#types.set(ino, type)
    const known = [ino, ...(type === fileType.directory ? this.#directories : this.#others)]
    const newest = [...new Set(known)].slice(0, 4)
    if (type !== fileType.directory) this.#others = newest
    else this.#directories = newest.includes(this.#root) ? newest : [...newest, this.#root]
  }

  /** What an answer says of open files. */
  learn(call: Call, answer: Answer): void {
    if (answer.error !== undefined) return
    if (call.name === 'create' && answer.ino !== undefined) this.#open.unshift(answer.ino)
    if (call.name === 'open') this.#open.unshift(call.ino)
  }

  /** Nobody else of this client is to use it from now on. */
  closing(ino: ModelIno): void {
    const at = this.#open.indexOf(ino)
    if (at >= 0) this.#open.splice(at, 1)
  }
}

const modes = [0o644, 0o4755, 0o2710, 0o600]
const directoryModes = [0o755, 0o2755, 0o700]

/** @returns null when the client knows nothing that the command could be about. */
export function callOf(given: Command, known: Knowledge): Call | null {
  const { kind, directory, other, name: entry, newName, value } = given
  const parent = known.directory(directory)
  switch (kind) {
    case 'lookup':
    case 'unlink':
    case 'rmdir':
      return { name: kind, parent, entry }
    case 'mkdir':
      return { name: kind, parent, entry, mode: directoryModes[value % 3]! }
    case 'create':
      return { name: kind, parent, entry, mode: modes[value % 4]!, exclusive: value % 3 === 0 }
    case 'symlink':
      return { name: kind, parent, entry, target: `to ${value}` }
    case 'readdir':
      return { name: kind, ino: parent }
    case 'rename': {
      const newParent = known.directory(other)
      return { name: kind, parent, entry, newParent, newEntry: newName, flags: given.flags }
    }
    default:
      return callOfInode(given, known, parent)
  }
}

function callOfInode(given: Command, known: Knowledge, parent: ModelIno): Call | null {
  const { kind, inode, name: entry } = given
  const any = known.other(inode)
  switch (kind) {
    case 'getattr':
      return { name: kind, ino: any ?? parent }
    case 'readlink':
      return any === undefined ? null : { name: kind, ino: any }
    case 'link':
      return { name: kind, ino: any ?? parent, parent, entry }
    default:
      return callOfFile(given, known)
  }
}

function callOfFile({ kind, inode, value }: Command, known: Knowledge): Call | null {
  const ino = known.file(inode)
  const open = known.opened(inode)
  if (open !== undefined) {
    if (kind === 'read') return { name: 'read', ino: open }
    if (kind === 'release') return { name: 'release', ino: open }
    const data = `<${value}>`
    const offset = value % 40
    if (kind === 'write') return { name: 'write', ino: open, offset, data, append: false }
    if (kind === 'append') return { name: 'write', ino: open, offset: 0, data, append: true }
  }
  if (ino === undefined) return null
  if (kind === 'open') return { name: 'open', ino, truncate: value % 4 === 0 }
  if (kind === 'setattr') return { name: 'setattr', ino, mode: modes[value % 4]! }
  if (kind === 'chown') return { name: 'setattr', ino, uid: value % 3, gid: value % 2 }
  if (kind === 'truncate') return { name: 'setattr', ino, size: value % 30 }
  const key = `user.${value % 2}`
  if (kind === 'setxattr') return { name: kind, ino, key, value: `${value}` }
  if (kind === 'getxattr' || kind === 'removexattr') return { name: kind, ino, key }
  return null
}
