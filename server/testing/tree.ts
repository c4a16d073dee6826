/** Short ways to make and move things in a test's cluster. Time passes until each is answered. */
import { fileType } from '../../network/wire/attributes.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { isPassing } from '../peers.ts'
import { split } from '../transactions/split.ts'
import type { TestCluster } from './cluster.ts'

export function nameOf(text: string | Uint8Array): Uint8Array {
  return typeof text === 'string' ? Buffer.from(text) : text
}

export async function makeDirectory(
  cluster: TestCluster,
  parent: Ino,
  name: string | Uint8Array,
): Promise<Ino> {
  const request = { parent, name: nameOf(name), mode: 0o755, uid: 0, gid: 0 }
  const made = cluster.names.mutate('mkdir', request)
  return (await cluster.passing(made)).body.attributes.ino
}

export async function makeFile(cluster: TestCluster, parent: Ino, name: string): Promise<Ino> {
  const mode = fileType.regular | 0o644
  const request = { parent, name: nameOf(name), mode, uid: 0, gid: 0, rdev: 0 }
  const rest = { target: new Uint8Array(0), exclusive: true, open: false }
  const made = cluster.names.mutate('create', { ...request, ...rest })
  return (await cluster.passing(made)).body.attributes.ino
}

export function rename(
  cluster: TestCluster,
  [parent, name]: readonly [Ino, string | Uint8Array],
  [newParent, newName]: readonly [Ino, string | Uint8Array],
  flags = 0,
): Promise<unknown> {
  const request = { parent, name: nameOf(name), newParent, newName: nameOf(newName), flags }
  return cluster.names.mutate('rename', request)
}

export function link(
  cluster: TestCluster,
  [parent, name]: readonly [Ino, string],
  ino: Ino,
): Promise<unknown> {
  return cluster.names.mutate('link', { parent, name: nameOf(name), ino })
}

export function remove(
  cluster: TestCluster,
  operation: 'unlink' | 'rmdir',
  parent: Ino,
  name: string | Uint8Array,
): Promise<unknown> {
  return cluster.names.mutate(operation, { parent, name: nameOf(name) })
}

/**
 * Splits what this partition holds of a directory until no shard has more than `limit` entries, whoever ends
 * meanwhile.
 */
export async function splitShards(
  cluster: TestCluster,
  partition: number,
  ino: Ino,
  limit: number,
): Promise<void> {
  const request = { ino, limit, moveBytes: 40 }
  for (let more = true; more; ) {
    try {
      const server = cluster.serverOf(partition)
      const held = server.partitions.get(partition, cluster.view.partitions[partition]!.epoch)
      const done = server.coordinator.execute(held, '', split, request, () => [], 1_000)
      more = await server.during(done)
    } catch (error) {
      if (!isPassing(error)) throw error
      await cluster.env.timers.sleep(10)
    }
  }
}

export function setMode(cluster: TestCluster, ino: Ino, mode: number): Promise<unknown> {
  return cluster.mutate('setattr', partitionOfIno(ino), { ino, mode })
}
