/** A client that alone works in a directory, and is answered before its server has made what it asks for. */
import type { Cluster } from '../../client/cluster/contract.ts'
import { contextOf } from '../../client/fs/context.ts'
import type { FileSystem } from '../../client/fs/contract.ts'
import type { PosixError } from '../../network/errors.ts'
import { leaseTermMs, readLeaseRestMs } from '../../network/limits.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { MemberId } from '../../network/wire/view.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

export const me = { uid: 0, gid: 0 }
export const how = { exclusive: true, truncate: false }
export const nameOf = (text: string) => Buffer.from(text)

export interface Scene {
  readonly cluster: SimulatedCluster
  readonly here: FileSystem
  readonly heres: Cluster
  readonly endpoint: string
  readonly directory: number
  /** Files that were made there so far; the last ones may not be on their server. */
  readonly made: string[]
  readonly wait: <T>(promise: Promise<T>) => Promise<T>
  readonly isBehind: () => boolean
  /** One more client. */
  readonly join: () => Promise<{ readonly there: FileSystem; readonly theres: Cluster }>
}

/**
 * A client that alone works in a directory, where it makes files behind.
 * @param before what happens when the directory was just made.
 */
export async function setUp(
  seed = 3,
  before: (cluster: SimulatedCluster, home: MemberId, partition: number) => unknown = () => null,
): Promise<Scene> {
  const cluster = await SimulatedCluster.start({
    ...{ seed, servers: 3, partitions: 3, slowestMs: 30, inlineBytes: 4096 },
  })
  const wait = <T>(promise: Promise<T>) => cluster.passing(promise)
  const { fileSystem: here, client: heres, endpoint } = await cluster.connect()
  const { ino: directory } = await wait(here.mkdir(here.root, nameOf('d'), 0o755, me))
  await wait(here.fsync(directory))
  await before(cluster, homeOf(heres, directory), partitionOfIno(directory))
  await cluster.env.advance(readLeaseRestMs + leaseTermMs)
  await wait(here.getattr(directory))
  const made: string[] = []
  const { changes } = contextOf(heres)
  const isBehind = () => !changes.isEmpty
  const scene: Scene = {
    ...{ cluster, here, heres, endpoint, directory, made, wait, isBehind },
    join: async () => {
      const { fileSystem: there, client: theres } = await cluster.connect()
      return { there, theres }
    },
  }
  while (!isBehind()) await make(scene)
  return scene
}

export function homeOf(client: Cluster, directory: number): MemberId {
  return client.view.partitions[partitionOfIno(directory)]!.primary!
}

export async function make({ here, directory, made, wait }: Scene, text = ''): Promise<void> {
  const name = `f${made.length}`
  made.push(name)
  // As the kernel does.
  await codeOf(wait(here.lookup(directory, nameOf(name))))
  const { file } = await wait(here.create(directory, nameOf(name), 0o644, me, how))
  for (const offset of text === '' ? [] : [0, 2]) {
    await wait(here.write(file, offset, nameOf(text).subarray(offset, offset + 2), {}))
  }
  here.release(file)
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'done'
  } catch (error) {
    return (error as PosixError).code
  }
}

export async function namesIn({ wait }: Scene, fileSystem: FileSystem, directory: number) {
  const { entries } = await wait(fileSystem.readdirplus(directory, 0, { limitBytes: 65_536 }))
  return entries.map(({ name }) => Buffer.from(name).toString()).sort()
}

export async function textOf(
  { wait }: Scene,
  fileSystem: FileSystem,
  directory: number,
  name: string,
) {
  const { ino } = await wait(fileSystem.lookup(directory, nameOf(name)))
  const file = await wait(fileSystem.open(ino, { truncate: false }))
  const pieces = await wait(fileSystem.read(file, 0, 100))
  fileSystem.release(file)
  return Buffer.concat(pieces).toString()
}
