import test from 'ava'
import { decodeFacts, rowsIn } from '../../network/checking/facts.ts'
import { ClusterError } from '../../network/errors.ts'
import { entryHash } from '../../network/placement/locate.ts'
import { fileType } from '../../network/wire/attributes.ts'
import { clusterRootIno, makeIno } from '../../network/wire/ids.ts'
import type { Key, RangeOptions } from '../metadata/contract.ts'
import { encodeEntries } from '../metadata/entries.ts'
import { entriesKey } from '../metadata/keys.ts'
import { KeyLocks } from '../partition/key-locks.ts'
import type { Partition } from '../partition/partition.ts'
import { TestCluster } from '../testing/cluster.ts'
import { makeDirectory, makeFile, rename } from '../testing/tree.ts'
import { namesPage } from './pages.ts'

const directory = makeIno(1, 16)
const ino = makeIno(1, 17)

function named(text: string): readonly [Key, Uint8Array] {
  const name = Buffer.from(text)
  const value = encodeEntries([{ name, ino, type: fileType.regular, place: 0 }])
  return [entriesKey(1, directory, entryHash(name)), value]
}

/** Records by key; those that have decayed on the disk, and those of them that memory has still. */
function storeOf(decayed: readonly Key[], remembered: readonly Key[]) {
  const records = new Map(['a', 'b', 'c', 'd'].map(named))
  return {
    get(key: Key) {
      if (!decayed.includes(key) || remembered.includes(key)) return records.get(key)
      throw new ClusterError('CHECKSUM', 'the metadata is damaged')
    },
    async *range(from: Key, to: Key, { onDamaged }: RangeOptions = {}) {
      for (const key of [...records.keys()].sort()) {
        if (key < from || key >= to) continue
        if (decayed.includes(key)) onDamaged?.(key)
        else yield [key, records.get(key)!] as const
      }
    },
  }
}

test('a check counts names that the disk has lost and memory has, as everybody sees them', async t => {
  const decayed = [named('b')[0], named('c')[0], named('d')[0]]
  const store = storeOf(decayed, decayed.slice(1))
  const partition = { id: 1, store, locks: new KeyLocks() } as unknown as Partition
  const after = new Uint8Array(0)
  const { payload } = await namesPage(partition, 8, { inos: [ino], after })
  t.is(decodeFacts(rowsIn(payload)).length, 3)
})

test('a file that was renamed has its new name, also while the server of that has not heard of it', async t => {
  const cluster = new TestCluster({ servers: 2, partitions: 4 })
  await cluster.start()
  const a = await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 1, 'a'))
  const b = await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 2, 'b'))
  const moved = await makeFile(cluster, a, 'f')
  cluster.loses = name => name === 'decide'
  await cluster.passing(rename(cluster, [a, 'f'], [b, 'g']))
  const request = { inos: [moved], after: new Uint8Array(0) }
  let told = false
  const asked = cluster.ask('checkNames', 2, request).finally(() => {
    told = true
  })
  await cluster.env.advance(100)
  t.false(told, 'nobody may take it for a file without a name')
  cluster.loses = () => false
  const { payload } = await cluster.passing(asked)
  t.deepEqual(
    [...decodeFacts(rowsIn(payload))].map(fact => fact.ino),
    [moved],
  )
})
