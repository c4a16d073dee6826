/** What each operation does to the Store: the wire contract, said as shortly as it can be. */

import { ClusterError, PosixError } from '../../network/errors.ts'
import { chunkBytes } from '../../network/limits.ts'
import { partitionOfBlock, partitionOfDirectory } from '../../network/placement/locate.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import { fileType, isDirectory } from '../../network/wire/attributes.ts'
import { checksumsOfPieces, piecesOf, unpackRanges } from '../../network/wire/block-ranges.ts'
import { checksumsOf, sameChecksums } from '../../network/wire/checksum.ts'
import { DirectoryRecords } from '../../network/wire/directory-records.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { ListedRecords } from '../../network/wire/listed-records.ts'
import type { Name, OperationName, RequestOf } from '../../network/wire/operations.ts'
import { checksumOf, keyOf, type Store, type StoredInode } from './store.ts'

export interface Asking {
  readonly store: Store
  readonly client: string
  /** Of the machine that is asked. */
  readonly boot: string
  readonly partitionCount: number
  /** The partition that is addressed. */
  readonly partition: number
  /** Who may append now. */
  readonly grants: Map<Ino, string>
}

type Act<N extends OperationName> = (
  asking: Asking,
  request: RequestOf<N>,
  payload: Uint8Array,
) => Reply<N>

const none = new Uint8Array(0)

function reply<T>(body: T, payload: Uint8Array = none): { body: T; payload: Uint8Array[] } {
  return { body, payload: payload.length === 0 ? [] : [payload] }
}

function enter(store: Store, parent: Ino, name: Name, ino: Ino): void {
  const directory = store.directory(parent)
  if (directory.entries.has(keyOf(name))) throw new PosixError('EEXIST')
  directory.entries.set(keyOf(name), ino)
  directory.attributes.size = directory.entries.size
  store.changed(directory)
}

function leave(store: Store, parent: Ino, name: Name): Ino {
  const ino = store.child(parent, name)
  const directory = store.directory(parent)
  directory.entries.delete(keyOf(name))
  directory.attributes.size = directory.entries.size
  store.changed(directory)
  return ino
}

/** Nobody writes behind here. */
const calmMs = 60_000

function inlineReply(inode: StoredInode) {
  const attributes = { ...inode.attributes }
  const told = { attributes, leaseMs: 0, calmMs }
  if (attributes.reach > 0) return reply({ ...told, inline: false, checksum: none })
  return reply({ ...told, inline: true, checksum: checksumOf(inode.data) }, inode.data)
}

function patched(old: Uint8Array, offset: number, data: Uint8Array): Uint8Array {
  const merged = new Uint8Array(Math.max(old.length, offset + data.length))
  merged.set(old)
  merged.set(data, offset)
  return merged
}

function written(store: Store, inode: StoredInode, offset: number, end: number) {
  const previousChange = inode.attributes.change
  inode.attributes.size = Math.max(inode.attributes.size, end)
  return reply({
    written: true,
    offset,
    attributes: store.changed(inode),
    previousChange,
    ...{ leaseMs: 0, calmMs },
  })
}

const create: Act<'create'> = ({ store }, request) => {
  const { parent, name, mode, umask = 0, exclusive } = request
  const directory = store.directory(parent)
  const found = directory.entries.get(keyOf(name))
  if (found !== undefined && exclusive) throw new PosixError('EEXIST')
  if (found !== undefined) {
    const { attributes } = store.get(found)
    if (isDirectory(attributes.mode)) throw new PosixError('EISDIR')
    return reply({
      attributes: { ...attributes },
      created: false,
      nameMs: 0,
      leaseMs: 0,
      parent: null,
    })
  }
  const bits = (mode & fileType.mask) === fileType.symlink ? mode : mode & ~umask
  const inode = store.add(store.newIno(partitionOfIno(parent)), bits, directory.attributes)
  Object.assign(inode.attributes, { uid: request.uid, gid: request.gid, rdev: request.rdev })
  inode.target = request.target
  inode.attributes.size = request.target.length
  enter(store, parent, name, inode.attributes.ino)
  return reply({
    attributes: { ...inode.attributes },
    created: true,
    nameMs: 0,
    leaseMs: 0,
    parent: null,
  })
}

const mkdir: Act<'mkdir'> = ({ store, partitionCount }, request) => {
  const { parent, name, mode, umask = 0, uid, gid } = request
  const inherited = store.directory(parent).attributes
  const { blockBytes = inherited.blockBytes, inlineBytes = inherited.inlineBytes } = request
  const ino = store.newIno(partitionOfDirectory(parent, name, partitionCount))
  enter(store, parent, name, ino)
  const inode = store.add(ino, fileType.directory | (mode & ~umask), { blockBytes, inlineBytes })
  Object.assign(inode.attributes, { uid, gid })
  return reply({ attributes: { ...inode.attributes }, parent: null })
}

const setattr: Act<'setattr'> = ({ store }, { ino, size, mode, uid, gid, ...times }) => {
  const inode = store.get(ino)
  const { attributes } = inode
  if (size !== undefined) store.resize(inode, size)
  if (mode !== undefined) attributes.mode = (attributes.mode & fileType.mask) | (mode & 0o7777)
  if (uid !== undefined) attributes.uid = uid
  if (gid !== undefined) attributes.gid = gid
  store.changed(inode)
  for (const field of ['atimeNs', 'mtimeNs'] as const) {
    const time = times[field]
    if (time !== undefined) attributes[field] = time === 'now' ? store.nowNs : time
  }
  return reply({ attributes: { ...attributes }, leaseMs: 0 })
}

const rename: Act<'rename'> = ({ store }, { parent, name, newParent, newName, flags }) => {
  const ino = store.child(parent, name)
  const target = store.directory(newParent).entries.get(keyOf(newName))
  if (target !== undefined && flags === 1) throw new PosixError('EEXIST')
  const partition = partitionOfIno(newParent)
  if (target === ino) return reply({ ino, partition, parent: null })
  if (target !== undefined) unlinked(store, leave(store, newParent, newName))
  leave(store, parent, name)
  enter(store, newParent, newName, ino)
  return reply({ ino, partition, parent: null })
}

/** Inodes without names stay: the double does not collect them. */
function unlinked(store: Store, ino: Ino): void {
  const inode = store.get(ino)
  inode.attributes.nlink--
  store.changed(inode)
}

/** Nothing is ever split here. */
const shards: Act<'shards'> = () => reply({ shards: new Uint8Array(0) })

function listed(store: Store, { ino, cookie, limitBytes }: RequestOf<'readdir'>) {
  const names = [...store.directory(ino).entries].slice(cookie)
  const count = Math.max(1, Math.floor(limitBytes / 256))
  const entries = names.slice(0, count).map(([name, child], index) => {
    const { attributes } = store.get(child)
    const near = partitionOfIno(child) === partitionOfIno(ino)
    return {
      name: Buffer.from(name, 'latin1'),
      ino: child,
      type: attributes.mode & fileType.mask,
      cookie: cookie + index + 1,
      attributes: near ? { ...attributes } : null,
      ...{ nameMs: 0, leaseMs: 0 },
    }
  })
  const next = entries.at(-1)?.cookie ?? cookie
  return { entries, end: names.length <= count, parent: 0, next }
}

const readdir: Act<'readdir'> = ({ store }, request) => {
  const { entries, ...page } = listed(store, request)
  const records = new DirectoryRecords(request.limitBytes)
  for (const entry of entries) records.add(entry)
  return reply(page, records.bytes())
}

const readdirplus: Act<'readdirplus'> = ({ store }, request) => {
  const { entries, ...page } = listed(store, request)
  const records = new ListedRecords(request.limitBytes)
  for (const entry of entries) records.add(entry)
  return reply(page, records.bytes())
}

const writeInline: Act<'writeInline'> = ({ store }, request, data) => {
  const inode = store.get(request.ino)
  const { reach, size, inlineBytes, change } = inode.attributes
  const offset = request.append ? size : request.offset
  if (reach > 0 || offset + data.length > inlineBytes) {
    const attributes = { ...inode.attributes }
    return reply({ written: false, offset, attributes, previousChange: change, leaseMs: 0 })
  }
  if (!sameChecksums(checksumOf(data), request.checksum)) {
    throw new ClusterError('CHECKSUM', 'damaged on its way')
  }
  inode.data = patched(inode.data, offset, data)
  return written(store, inode, offset, offset + data.length)
}

const reserve: Act<'reserve'> = ({ store, client, grants }, { ino, reach, exclusive }) => {
  const inode = store.get(ino)
  if (!exclusive && grants.get(ino) === client) grants.delete(ino)
  const granted = exclusive || (inode.attributes.reach === 0 && reach > 0)
  if (granted && grants.has(ino)) throw new ClusterError('CONFLICT', 'another appends or spills')
  if (granted) grants.set(ino, client)
  inode.reserved = Math.max(inode.reserved, reach)
  if (inode.attributes.reach > 0) inode.attributes.reach = inode.reserved
  return inlineReply(inode)
}

const commitWrite: Act<'commitWrite'> = ({ store, client, grants }, request) => {
  const { ino, end } = request
  const inode = store.get(ino)
  const { generation, cuts, size, reach, change } = inode.attributes
  const holder = grants.get(ino)
  if (holder === client) {
    grants.delete(ino)
    if (reach > 0) inode.attributes.cuts++
  }
  const same =
    request.generation === generation &&
    request.cuts === cuts &&
    (request.expectedSize < 0 || request.expectedSize === size) &&
    (request.spilled === 0 ? reach > 0 : request.spilled === change)
  if (!same || (end > size && holder !== undefined && holder !== client)) {
    throw new ClusterError('STALE_WRITE', 'changed meanwhile')
  }
  if (request.spilled > 0) inode.data = none
  inode.attributes.allocated = Math.max(0, inode.attributes.allocated + request.allocated)
  inode.reserved = Math.max(inode.reserved, request.reach)
  inode.attributes.reach = inode.reserved
  return written(store, inode, end, end)
}

const readBlock: Act<'readBlock'> = ({ store }, request) => {
  const block = store.blocks.get(store.blockKey(request))
  if (block === undefined) return reply({ present: false, checksums: none })
  const { offset, length } = request
  const data = new Uint8Array(length)
  data.set(block.subarray(offset, offset + length))
  return reply({ present: true, checksums: checksumsOf([data], offset, chunkBytes) }, data)
}

const writeBlock: Act<'writeBlock'> = ({ store }, request, data) => {
  const { ino, block, checksums } = request
  const ranges = unpackRanges(request.ranges)
  const pieces = piecesOf(ranges, [data])
  if (block >= store.get(ino).reserved) throw new ClusterError('INTERNAL', 'beyond the reach')
  if (!sameChecksums(checksumsOfPieces(ranges, pieces), checksums)) {
    throw new ClusterError('CHECKSUM', 'damaged on its way')
  }
  const key = store.blockKey(request)
  let after = store.blocks.get(key) ?? none
  for (const [index, { offset }] of ranges.entries()) {
    after = patched(after, offset, Buffer.concat(pieces[index]!))
  }
  return spaceReply(store, key, after)
}

/** The double counts each byte that a block reaches to. */
function spaceReply(store: Store, key: string, after: Uint8Array) {
  const before = store.blocks.get(key)?.length ?? 0
  if (after.length === 0) store.blocks.delete(key)
  else store.blocks.set(key, after)
  return reply({ allocated: after.length - before })
}

const allocateBlock: Act<'allocateBlock'> = ({ store }, request) => {
  const { ino, block, offset, length, zero } = request
  if (block >= store.get(ino).reserved) throw new ClusterError('INTERNAL', 'beyond the reach')
  const key = store.blockKey(request)
  const old = store.blocks.get(key) ?? none
  const end = Math.max(old.length, offset + length)
  const longer = patched(old, end, none)
  return spaceReply(store, key, zero ? longer.fill(0, offset, offset + length) : longer)
}

/** One server holds all blocks of the range that the partition has: here each block is asked for. */
const punchBlocks: Act<'punchBlocks'> = ({ store, partitionCount, partition }, request) => {
  const { ino, generation, block, offset, endBlock, endOffset } = request
  let allocated = 0
  for (let index = block; index <= endBlock; index++) {
    if (partitionOfBlock(ino, generation, index, partitionCount) !== partition) continue
    const key = store.blockKey({ ino, generation, block: index })
    const old = store.blocks.get(key) ?? none
    const to = index === endBlock ? endOffset : old.length
    const zeroed = old.slice().fill(0, index === block ? offset : 0, to)
    const left = to >= old.length && index === block ? zeroed.subarray(0, offset) : zeroed
    allocated += spaceReply(store, key, left).body.allocated
  }
  return reply({ allocated })
}

const copyBlock: Act<'copyBlock'> = ({ store }, request) => {
  const { sourceIno: ino, sourceGeneration: generation, sourceBlock: block } = request
  const { offset, length, sourceOffset } = request
  const source = store.blocks.get(store.blockKey({ ino, generation, block }))
  const data = new Uint8Array(length)
  data.set(source?.subarray(sourceOffset, sourceOffset + length) ?? none)
  const key = store.blockKey(request)
  const spaced = spaceReply(store, key, patched(store.blocks.get(key) ?? none, offset, data))
  return reply({ ...spaced.body, present: source !== undefined })
}

const seekBlocks: Act<'seekBlocks'> = ({ store, partitionCount, partition }, request) => {
  const { ino, generation, block, offset, reach, hole } = request
  const endOf = (index: number) =>
    store.blocks.get(store.blockKey({ ino, generation, block: index }))?.length ?? 0
  if (hole) return reply({ block, offset: Math.max(offset, endOf(block)) })
  for (let index = block; index < reach; index++) {
    if (partitionOfBlock(ino, generation, index, partitionCount) !== partition) continue
    const from = index === block ? offset : 0
    if (from < endOf(index)) return reply({ block: index, offset: from })
  }
  return reply({ block: -1, offset: 0 })
}

const punchInline: Act<'punchInline'> = ({ store }, { ino, offset, length }) => {
  const inode = store.get(ino)
  const { reach, size, change } = inode.attributes
  if (reach > 0) {
    const attributes = { ...inode.attributes }
    return reply({ written: false, offset, attributes, previousChange: change, leaseMs: 0 })
  }
  inode.data = inode.data.slice().fill(0, offset, offset + length)
  return written(store, inode, offset, size)
}

export const acts: { readonly [N in OperationName]?: Act<N> } = {
  lookup: ({ store }, { parent, name }) => {
    const ino = store.child(parent, name)
    const near = partitionOfIno(ino) === partitionOfIno(parent)
    return reply({
      ino,
      attributes: near ? { ...store.get(ino).attributes } : null,
      nameMs: 0,
      leaseMs: 0,
    })
  },
  getattr: ({ store }, { ino }) =>
    reply({ attributes: { ...store.get(ino).attributes }, leaseMs: 0 }),
  setattr,
  create,
  mkdir,
  unlink: ({ store }, { parent, name }) => {
    const child = store.get(store.child(parent, name))
    if (isDirectory(child.attributes.mode)) throw new PosixError('EISDIR')
    const ino = leave(store, parent, name)
    unlinked(store, ino)
    return reply({ ino, parent: null })
  },
  rmdir: ({ store }, { parent, name }) => {
    const child = store.directory(store.child(parent, name))
    if (child.entries.size > 0) throw new PosixError('ENOTEMPTY')
    const ino = leave(store, parent, name)
    store.inodes.delete(ino)
    return reply({ ino, parent: null })
  },
  rename,
  link: ({ store }, { parent, name, ino }) => {
    const inode = store.get(ino)
    enter(store, parent, name, ino)
    inode.attributes.nlink++
    return reply({ attributes: store.changed(inode), parent: null })
  },
  readlink: ({ store }, { ino }) => reply({ target: store.get(ino).target }),
  readdir,
  readdirplus,
  shards,
  open: ({ store }, { ino, truncate }) => {
    const inode = store.get(ino)
    if (isDirectory(inode.attributes.mode)) throw new PosixError('EISDIR')
    if (truncate) {
      store.resize(inode, 0)
      store.changed(inode)
    }
    return inlineReply(inode)
  },
  readInline: ({ store }, { ino }) => inlineReply(store.get(ino)),
  writeInline,
  reserve,
  commitWrite,
  sync: ({ boot }) => reply({ boot }),
  quota: () => reply({ bytes: null, files: null, usedBytes: 0, usedFiles: 0 }),
  statfs: () =>
    reply({
      disk: 'memory',
      usedBytes: 40,
      freeBytes: 60,
      ownFreeBytes: 0,
      files: 7,
      metaDisk: 'meta',
      freeFiles: 9,
    }),
  getxattr: ({ store }, { ino, name }) => {
    const value = store.get(ino).xattrs.get(keyOf(name))
    if (value === undefined) throw new PosixError('ENODATA')
    return reply({ value })
  },
  setxattr: ({ store }, { ino, name, value }) => {
    store.get(ino).xattrs.set(keyOf(name), value)
    return reply({})
  },
  listxattr: ({ store }, { ino }) => {
    const names = [...store.get(ino).xattrs.keys()].map(name => `${name}\0`).join('')
    return reply({ value: Buffer.from(names, 'latin1') })
  },
  removexattr: ({ store }, { ino, name }) => {
    store.get(ino).xattrs.delete(keyOf(name))
    return reply({})
  },
  readBlock,
  writeBlock,
  allocateBlock,
  copyBlock,
  punchBlocks,
  punchInline,
  seekBlocks,
}
