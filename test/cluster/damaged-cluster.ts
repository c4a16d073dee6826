/** A cluster with some files in it, and ways to find and change what its servers have stored of them. */
import type { ExecutionContext } from 'ava'
import type { CheckReport } from '../../client/checking/contract.ts'
import { parseBlockKey } from '../../server/blocks/index.ts'
import type { Key } from '../../server/metadata/contract.ts'
import { decodeEntries, type Entry, encodeEntries } from '../../server/metadata/entries.ts'
import { decodeInode, encodeInode, type Inode } from '../../server/metadata/inode.ts'
import { inodeKey, inoOfKey, keyKind } from '../../server/metadata/keys.ts'
import { bytesOf } from '../posix/bytes.ts'
import { type DamagedDisks, InProcessCluster } from './in-process.ts'

export const blockKind = 'b'

/** Everything on the disks of all servers, to be changed by key. */
export class Disks {
  readonly #disks: readonly DamagedDisks[]
  readonly #content = new Map<Key, { readonly disk: DamagedDisks; readonly value: Uint8Array }>()

  private constructor(disks: readonly DamagedDisks[]) {
    this.#disks = disks
  }

  static async read(disks: readonly DamagedDisks[]): Promise<Disks> {
    const all = new Disks(disks)
    for (const disk of disks) {
      for await (const [key, value] of disk.store.range('\0', '\xff')) {
        all.#content.set(key, { disk, value: Uint8Array.from(value) })
      }
    }
    return all
  }

  keysOf(kind: string): Key[] {
    return [...this.#content.keys()].filter(key => key[2] === kind)
  }

  value(key: Key): Uint8Array {
    return this.#content.get(key)!.value
  }

  diskOf(key: Key): DamagedDisks {
    return this.#content.get(key)!.disk
  }

  /** Where the partition of a key lies, though there may be no such key. */
  homeOf(key: Key): DamagedDisks {
    for (const [other, { disk }] of this.#content) {
      if (other.slice(0, 2) === key.slice(0, 2)) return disk
    }
    return this.#disks[0]!
  }

  async put(key: Key, value: Uint8Array | null): Promise<void> {
    await this.homeOf(key).store.batch([{ key, value }], { sync: true })
  }

  decay(key: Key): void {
    this.diskOf(key).decaying.add(key)
  }

  inode(ino: number): Inode {
    return decodeInode(this.value(inodeKey(Math.floor(ino / 2 ** 40), ino)))
  }

  async changeInode(ino: number, changes: Partial<Inode>): Promise<void> {
    const inode = this.inode(ino)
    await this.put(inodeKey(Math.floor(ino / 2 ** 40), ino), encodeInode({ ...inode, ...changes }))
  }

  /** The record that holds the entry of this name, wherever it is. */
  entryKey(name: string): Key {
    const found = this.keysOf(keyKind.entries).find(key =>
      decodeEntries(this.value(key)).some(entry => Buffer.from(entry.name).toString() === name),
    )
    if (found === undefined) throw new Error(`no entry ${name}`)
    return found
  }

  entry(name: string): Entry {
    const entries = decodeEntries(this.value(this.entryKey(name)))
    return entries.find(entry => Buffer.from(entry.name).toString() === name)!
  }

  async changeEntry(name: string, changes: Partial<Entry> | null): Promise<void> {
    const key = this.entryKey(name)
    const value = changes === null ? null : encodeEntries([{ ...this.entry(name), ...changes }])
    await this.put(key, value)
  }

  directoryOf(name: string): number {
    return inoOfKey(this.entryKey(name))
  }

  blocksOf(ino: number): Key[] {
    return this.keysOf(blockKind).filter(key => parseBlockKey(key).ino === ino)
  }
}

export const bigBytes = 3 * 2 ** 20 + 12_345
export const smallText = 'a small file is kept beside its inode'

/** Directories in each other, files with several names, small and large ones. */
export async function startFilled(): Promise<InProcessCluster> {
  const cluster = await InProcessCluster.start(2)
  const files = await cluster.connect()
  await files.mkdir('/outer')
  await files.mkdir('/outer/inner')
  await files.mkdir('/outer/inner/deep')
  await files.mkdir('/other')
  await files.writeFile('/outer/small', smallText)
  await files.writeFile('/outer/inner/big', bytesOf(1, bigBytes))
  await files.writeFile('/outer/inner/deep/leaf', 'leaf')
  await files.writeFile('/other/linked', 'linked')
  await files.link('/other/linked', '/outer/linked-too')
  await files.symlink('small', '/outer/symlink')
  return cluster
}

export async function isClean(
  t: ExecutionContext,
  cluster: InProcessCluster,
): Promise<CheckReport> {
  const report = await cluster.check({ data: true })
  t.deepEqual(report.findings, [])
  t.is(report.undecided, 0)
  return report
}

/** Damages the disks, and expects these faults, then their repair, then none. */
export async function damageAndRepair(
  t: ExecutionContext,
  cluster: InProcessCluster,
  hand: (disks: Disks) => Promise<void>,
  faults: readonly string[],
): Promise<CheckReport> {
  await cluster.damage(async disks => hand(await Disks.read(disks)))
  const found = await cluster.check({ data: true })
  t.deepEqual(distinct(found), [...faults].sort(), JSON.stringify(found.findings, null, 1))
  const repairing = await cluster.check({ data: true, repair: true })
  t.log(JSON.stringify(repairing.findings))
  await isClean(t, cluster)
  return repairing
}

export function distinct({ findings }: CheckReport): string[] {
  return [...new Set(findings.map(({ fault }) => fault))].sort()
}

export const crowdSize = 60

/** A directory with so many names that it is split, on servers that split those of 8. */
export async function startCrowded(): Promise<InProcessCluster> {
  const cluster = await InProcessCluster.start(2, 8)
  const files = await cluster.connect()
  await files.mkdir('/crowd')
  for (let index = 0; index < crowdSize; index++) {
    if (index % 5 === 0) await files.mkdir(`/crowd/directory-${index}`)
    else await files.writeFile(`/crowd/file-${index}`, `content ${index}`)
  }
  return cluster
}
