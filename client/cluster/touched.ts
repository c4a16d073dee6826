/** Which names and inodes a request may change, or have changed on the way: what the client must not keep. */
import type { Ino } from '../../network/wire/ids.ts'
import type { Name, OperationName, RequestOf } from '../../network/wire/operations.ts'
import type { MutationName, MutationOf } from './contract.ts'
import { type LeaseKey, nameKey, type Touched } from './read-leases.ts'

type Changing = MutationName | 'accessed' | 'readdir' | 'readdirplus' | 'readlink' | 'setQuota'
type Asked<N extends Changing> = N extends MutationName ? MutationOf<N> : RequestOf<N>

interface Named {
  readonly parent: Ino
  readonly name: Name
}

const inode = ({ ino }: { readonly ino: Ino }): Touched => [ino]
/** Blocks: what they take is told to the inode with a request of its own. */
const nothing = (): Touched => []
/** The access time of what is read. */
const unlessQuiet = ({ ino, quiet }: { readonly ino: Ino; readonly quiet?: boolean }): Touched =>
  quiet === true ? [] : [ino]
/** A directory is read when it is read from its start. */
const fromStart = (request: RequestOf<'readdir'>): Touched =>
  request.cookie === 0 ? unlessQuiet(request) : []
const entry = ({ parent, name }: Named, ...others: LeaseKey[]): Touched => [
  parent,
  nameKey(parent, name),
  ...others,
]

const touchedBy: { readonly [N in Changing]: (request: Asked<N>) => Touched } = {
  accessed: ({ accesses }) => accesses.map(({ ino }) => ino),
  readdir: fromStart,
  readdirplus: fromStart,
  readlink: unlessQuiet,
  setQuota: () => 'all',
  examine: () => 'all',

  setattr: inode,
  setxattr: inode,
  removexattr: inode,
  open: ({ ino, truncate }) => (truncate ? [ino] : []),
  reserve: inode,
  writeInline: inode,
  punchInline: inode,
  commitWrite: inode,
  writeBlock: nothing,
  punchBlocks: nothing,
  allocateBlock: nothing,
  copyBlock: nothing,

  create: request => entry(request),
  createTemporary: ({ parent }) => [parent],
  mkdir: request => entry(request),
  link: request => entry(request, request.ino),
  unlink: request => entry(request, request.known ?? 0),
  // What they make of the directory is known (`ReadLeases.changedBehind`).
  makeBehind: ({ parent, name }) => [nameKey(parent, name)],
  removeBehind: ({ parent, name, ino }) => [nameKey(parent, name), ino],
  writeBehind: inode,
  setBehind: inode,
  rmdir: request => entry(request, request.known ?? 0),
  rename: ({ parent, name, newParent, newName, known = 0, knownNew = 0 }) => [
    ...[parent, nameKey(parent, name), known],
    ...[newParent, nameKey(newParent, newName), knownNew],
  ],
}

/**
 * A listing moves the access time alone, and the kernel doubts that by itself when it has been answered (fuse_readdir): what else
 * it was told before is as true as ever.
 */
export function isListing(name: OperationName): boolean {
  return name === 'readdir' || name === 'readdirplus'
}

/** @returns null for what only reads. */
export function touchedByRequest(name: OperationName, request: object): Touched | null {
  if (!Object.hasOwn(touchedBy, name)) return null
  const touched = touchedBy[name as Changing] as (request: object) => Touched
  const keys = touched(request)
  return keys.length === 0 ? null : keys
}
