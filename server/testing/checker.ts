/** Walks everything that the servers of a cluster have stored and says what does not fit together. */
import { inoSequenceLimit } from '../../network/limits.ts'
import { fileType, isDirectory } from '../../network/wire/attributes.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { Key } from '../metadata/contract.ts'
import { decodeEntries, type Entry } from '../metadata/entries.ts'
import { decodeInode, type Inode } from '../metadata/inode.ts'
import { inoOfKey, isKeyOf, keyKind } from '../metadata/keys.ts'

interface Found {
  readonly inodes: Map<Ino, Inode>
  /** By directory. */
  readonly entries: Map<Ino, Entry[]>
  readonly orphans: Set<Ino>
  readonly facts: Map<number, { readonly nextSequence: number; readonly inodes: number }>
  readonly left: string[]
}

/** Kinds of records that are there only while something is under way. */
const passing = [keyKind.intent, keyKind.decision, keyKind.cut, keyKind.purge]

/** @returns one sentence for each fault. */
export function faultsIn(contents: Iterable<ReadonlyMap<Key, Uint8Array>>): string[] {
  const found = gather(contents)
  const faults = found.left.map(kind => `a record of kind ${kind} is left`)
  for (const inode of found.inodes.values()) {
    faults.push(
      ...(isDirectory(inode.mode) ? directoryFaults(found, inode) : fileFaults(found, inode)),
    )
  }
  for (const [directory, entries] of found.entries) {
    if (!found.inodes.has(directory)) faults.push(`entries of ${directory}, which does not exist`)
    for (const entry of entries) faults.push(...entryFaults(found, entry))
  }
  for (const [partition, { nextSequence, inodes }] of found.facts) {
    const present = [...found.inodes.keys()].filter(ino => partitionOfIno(ino) === partition)
    if (present.length !== inodes) {
      faults.push(`partition ${partition} counts ${inodes} inodes, but has ${present.length}`)
    }
    for (const ino of present) {
      if (ino % inoSequenceLimit >= nextSequence) faults.push(`${ino} may be given out again`)
    }
  }
  return faults
}

/** Path → ino of everything that can be reached from the directory of volumes. */
export function treeIn(contents: Iterable<ReadonlyMap<Key, Uint8Array>>): Map<string, Ino> {
  const { entries } = gather(contents)
  const tree = new Map<string, Ino>()
  const walk = (directory: Ino, path: string) => {
    for (const { name, ino } of entries.get(directory) ?? []) {
      const below = `${path}/${Buffer.from(name).toString()}`
      if (below.length > 1000) throw new Error(`a loop: ${below}`)
      tree.set(below, ino)
      walk(ino, below)
    }
  }
  walk(clusterRootIno, '')
  return tree
}

function gather(contents: Iterable<ReadonlyMap<Key, Uint8Array>>): Found {
  const found: Found = {
    inodes: new Map(),
    entries: new Map(),
    orphans: new Set(),
    facts: new Map(),
    left: [],
  }
  for (const content of contents) {
    for (const [key, value] of content) gatherOne(found, key, value)
  }
  return found
}

function gatherOne(found: Found, key: Key, value: Uint8Array): void {
  const ino = inoOfKey(key)
  if (isKeyOf(key, keyKind.inode)) found.inodes.set(ino, decodeInode(value))
  if (isKeyOf(key, keyKind.orphan)) found.orphans.add(ino)
  if (isKeyOf(key, keyKind.entries)) {
    found.entries.set(ino, [...(found.entries.get(ino) ?? []), ...decodeEntries(value)])
  }
  if (isKeyOf(key, keyKind.facts) && key.length === 3) {
    const view = new DataView(value.buffer, value.byteOffset)
    const facts = { nextSequence: view.getFloat64(0, true), inodes: view.getFloat64(8, true) }
    found.facts.set(key.charCodeAt(0) * 256 + key.charCodeAt(1), facts)
  }
  for (const kind of passing) if (isKeyOf(key, kind)) found.left.push(kind)
}

function* directoryFaults(found: Found, { ino, nlink, size, parent }: Inode): Generator<string> {
  const entries = found.entries.get(ino) ?? []
  const subdirectories = entries.filter(entry => entry.type === fileType.directory).length
  if (size !== entries.length) yield `directory ${ino} has ${entries.length} entries, not ${size}`
  if (nlink !== 2 + subdirectories) yield `directory ${ino} has nlink ${nlink}`
  if (ino === clusterRootIno) return
  const names = namesOf(found, ino)
  if (names.length !== 1) yield `directory ${ino} has ${names.length} names`
  else if (names[0] !== parent) yield `directory ${ino} is in ${names[0]}, not in ${parent}`
  if (!leadsToRoot(found, ino)) yield `directory ${ino} is in a loop, or lost`
}

function* fileFaults(found: Found, { ino, nlink }: Inode): Generator<string> {
  const names = namesOf(found, ino)
  if (names.length !== nlink) yield `file ${ino} has ${names.length} names, not ${nlink}`
  if ((nlink === 0) !== found.orphans.has(ino)) yield `file ${ino} is an orphan, or is not`
}

function* entryFaults(found: Found, { ino, type }: Entry): Generator<string> {
  const inode = found.inodes.get(ino)
  if (inode === undefined) yield `an entry leads to ${ino}, which does not exist`
  else if ((inode.mode & fileType.mask) !== type) yield `an entry has another type than ${ino}`
}

/** Directories that have an entry for this inode, once for each. */
function namesOf(found: Found, ino: Ino): Ino[] {
  const names: Ino[] = []
  for (const [directory, entries] of found.entries) {
    for (const entry of entries) if (entry.ino === ino) names.push(directory)
  }
  return names
}

function leadsToRoot(found: Found, ino: Ino): boolean {
  let at = ino
  for (let steps = 0; steps <= found.inodes.size; steps++) {
    if (at === clusterRootIno) return true
    at = found.inodes.get(at)?.parent ?? 0
  }
  return false
}
