/** Short ways to make and move things in a test's cluster. Time passes until each is answered. */
import { fileType } from '../../network/wire/attributes.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
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
  const made = cluster.mutate('mkdir', partitionOfIno(parent), request)
  return (await cluster.passing(made)).body.attributes.ino
}

export async function makeFile(cluster: TestCluster, parent: Ino, name: string): Promise<Ino> {
  const mode = fileType.regular | 0o644
  const request = { parent, name: nameOf(name), mode, uid: 0, gid: 0, rdev: 0 }
  const rest = { target: new Uint8Array(0), exclusive: true, open: false }
  const made = cluster.mutate('create', partitionOfIno(parent), { ...request, ...rest })
  return (await cluster.passing(made)).body.attributes.ino
}

export function rename(
  cluster: TestCluster,
  [parent, name]: readonly [Ino, string | Uint8Array],
  [newParent, newName]: readonly [Ino, string | Uint8Array],
  flags = 0,
): Promise<unknown> {
  const request = { parent, name: nameOf(name), newParent, newName: nameOf(newName), flags }
  return cluster.mutate('rename', partitionOfIno(parent), request)
}

export function link(
  cluster: TestCluster,
  [parent, name]: readonly [Ino, string],
  ino: Ino,
): Promise<unknown> {
  return cluster.mutate('link', partitionOfIno(parent), { parent, name: nameOf(name), ino })
}

export function remove(
  cluster: TestCluster,
  operation: 'unlink' | 'rmdir',
  parent: Ino,
  name: string | Uint8Array,
): Promise<unknown> {
  return cluster.mutate(operation, partitionOfIno(parent), { parent, name: nameOf(name) })
}
