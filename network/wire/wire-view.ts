/**
 * A view as it travels: members by name once, and partitions as bytes that name them by index, so that the largest
 * one fits a frame. It is encoded once, however many members it is told to.
 *
 * Each partition, little-endian: u8 replicas, u8 of them in sync, u16 primary (none: 0xffff), u32 epoch, then u16 for
 * each replica and for each one in sync.
 */
import { ClusterError } from '../errors.ts'
import { decodeBody, encodeBody, fieldsOf } from './codec.ts'
import type { ManagerStatusReply, WireManagerStatus } from './member-messages.ts'
import type { Member, MemberId, PartitionState, View } from './view.ts'

/** What `viewToWire` made. */
export type WireView = Uint8Array

const headBytes = 8
const nobody = 0xffff
/** A view never changes: what was made of it is kept as long as it is. */
const known = new WeakMap<View, WireView>()

export function viewToWire(view: View): WireView {
  const before = known.get(view)
  if (before !== undefined) return before
  const { partitions, ...rest } = view
  const ids = [...idsOf(view)]
  const bytes = encodeBody({ ...rest, ids, partitions: packed(partitions, ids) })
  known.set(view, bytes)
  return bytes
}

/** @throws ClusterError MALFORMED when it is not what `viewToWire` made. */
export function viewFromWire(bytes: unknown): View {
  if (!(bytes instanceof Uint8Array)) throw malformed()
  const { ids, partitions, ...rest } = fieldsOf(decodeBody(bytes))
  const isList = Array.isArray(ids) && ids.every(id => typeof id === 'string')
  if (!isList || !(partitions instanceof Uint8Array) || !Array.isArray(rest.members)) {
    throw malformed()
  }
  // Of the rest a member takes its manager's word, as of other messages.
  const said = rest as unknown as Omit<View, 'partitions'> & { readonly members: Member[] }
  return { ...said, partitions: unpacked(partitions, ids) }
}

/** Who a manager's status tells of, with its view as it travels. */
export function statusToWire(status: ManagerStatusReply): WireManagerStatus {
  return { ...status, view: status.view && viewToWire(status.view) }
}

/** @throws ClusterError MALFORMED */
export function statusFromWire(reply: WireManagerStatus): ManagerStatusReply {
  return { ...reply, view: reply.view && viewFromWire(reply.view) }
}

function idsOf({ members, partitions }: View): ReadonlySet<MemberId> {
  const ids = new Set(members.map(({ id }) => id))
  for (const { replicas, inSync, primary } of partitions) {
    for (const id of [...replicas, ...inSync]) ids.add(id)
    if (primary !== null) ids.add(primary)
  }
  return ids
}

function packed(partitions: readonly PartitionState[], ids: readonly MemberId[]): Uint8Array {
  const indices = new Map(ids.map((id, index) => [id, index]))
  const indexOf = (id: MemberId): number => indices.get(id)!
  let size = 0
  for (const { replicas, inSync } of partitions) {
    size += headBytes + 2 * (replicas.length + inSync.length)
  }
  const bytes = Buffer.alloc(size)
  let at = 0
  for (const { replicas, inSync, primary, epoch } of partitions) {
    at = bytes.writeUInt8(replicas.length, at)
    at = bytes.writeUInt8(inSync.length, at)
    at = bytes.writeUInt16LE(primary === null ? nobody : indexOf(primary), at)
    at = bytes.writeUInt32LE(epoch, at)
    for (const id of replicas) at = bytes.writeUInt16LE(indexOf(id), at)
    for (const id of inSync) at = bytes.writeUInt16LE(indexOf(id), at)
  }
  return bytes
}

function unpacked(packedBytes: Uint8Array, ids: readonly MemberId[]): PartitionState[] {
  const bytes = Buffer.from(packedBytes.buffer, packedBytes.byteOffset, packedBytes.byteLength)
  const partitions: PartitionState[] = []
  const idAt = (at: number): MemberId => ids[bytes.readUInt16LE(at)] ?? missing()
  for (let at = 0; at < bytes.length; ) {
    if (at + headBytes > bytes.length) throw malformed()
    const [held, synced] = [bytes[at]!, bytes[at + 1]!]
    const primary = bytes.readUInt16LE(at + 2) === nobody ? null : idAt(at + 2)
    const epoch = bytes.readUInt32LE(at + 4)
    at += headBytes
    if (at + 2 * (held + synced) > bytes.length) throw malformed()
    const first = at
    const listed = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => idAt(first + 2 * (from + index)))
    partitions.push({ replicas: listed(0, held), inSync: listed(held, synced), primary, epoch })
    at += 2 * (held + synced)
  }
  return partitions
}

function missing(): never {
  throw malformed()
}

function malformed(): ClusterError {
  return new ClusterError('MALFORMED', 'this is no view as one travels')
}
