/**
 * Says what does not fit together in all that the servers of a test's cluster have stored: by the rules of
 * `rookery fsck`, on a cluster that stands still.
 */
import { type Fact, factKind } from '../../network/checking/facts.ts'
import { ParentTable } from '../../network/checking/loops.ts'
import { InodeFacts, judge } from '../../network/checking/rules.ts'
import { maxPartitionCount } from '../../network/limits.ts'
import { clusterRootIno, type Ino } from '../../network/wire/ids.ts'
import { type Damage, describeRecord } from '../checking/record-facts.ts'
import type { Key } from '../metadata/contract.ts'
import { decodeEntries, type Entry } from '../metadata/entries.ts'
import { inoOfKey, isKeyOf, keyKind, partitionOfKey } from '../metadata/keys.ts'
import { shardFaultsIn } from './shard-checker.ts'
import { usageFaultsIn } from './usage-checker.ts'

type Contents = Iterable<ReadonlyMap<Key, Uint8Array>>

/** Kinds of records that are there only while something is under way. */
const passing = [keyKind.intent, keyKind.decision, keyKind.cut, keyKind.purge]

/**
 * @param partitionCount as blocks are placed by; it matters only where there are any.
 * @returns one sentence for each fault.
 */
export function faultsIn(found: Contents, partitionCount = maxPartitionCount): string[] {
  const contents = [...found]
  const faults = [...shardFaultsIn(contents), ...usageFaultsIn(contents)]
  const inodes = new Map<Ino, InodeFacts>()
  const parents = new ParentTable()
  const counts = new Map<number, number>()
  const fact = (one: Fact) => {
    if (one.kind === factKind.counts) {
      counts.set(one.ino, (counts.get(one.ino) ?? 0) - one.a)
      return
    }
    const facts = inodes.get(one.ino) ?? new InodeFacts(one.ino)
    inodes.set(one.ino, facts)
    facts.add(one)
    if (one.kind === factKind.directory) parents.add(one.ino, one.b)
  }
  const damage = ({ fault, subject, detail }: Damage) => {
    if (fault !== 'stuck-transaction') faults.push(`${fault} of ${subject}: ${detail}`)
  }
  for (const content of contents) {
    for (const key of content.keys()) {
      const beholder = beholderOf(content, key, partitionCount)
      describeRecord(beholder, key, { fact, damage, stored: () => undefined })
      const partition = partitionOfKey(key)
      if (isKeyOf(key, keyKind.inode)) counts.set(partition, (counts.get(partition) ?? 0) + 1)
      const left = passing.find(kind => isKeyOf(key, kind))
      if (left !== undefined) faults.push(`a record of kind ${left} is left`)
    }
  }
  for (const facts of inodes.values()) {
    for (const { fault, subject } of judge(facts)) faults.push(`${fault} of ${subject}`)
  }
  for (const { ino } of parents.loops()) faults.push(`unreachable: ${ino}`)
  for (const [partition, off] of counts) {
    if (off !== 0) faults.push(`partition ${partition} has ${off} more inodes than it counts`)
  }
  return faults
}

function beholderOf(content: ReadonlyMap<Key, Uint8Array>, key: Key, partitionCount: number) {
  const partition = partitionOfKey(key)
  const blockDamage = () => null
  return { partition, partitionCount, reader: content, blockDamage }
}

/** Path → ino of everything that can be reached from the directory of volumes. */
export function treeIn(contents: Contents): Map<string, Ino> {
  const entries = entriesIn(contents)
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

/** By directory. */
function entriesIn(contents: Contents): Map<Ino, Entry[]> {
  const found = new Map<Ino, Entry[]>()
  for (const content of contents) {
    for (const [key, value] of content) {
      if (!isKeyOf(key, keyKind.entries)) continue
      const ino = inoOfKey(key)
      found.set(ino, [...(found.get(ino) ?? []), ...decodeEntries(value)])
    }
  }
  return found
}
