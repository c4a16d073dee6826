/**
 * What each call does to the model: POSIX as Linux has it, for a caller to whom everything is permitted.
 * Where several answers are right, the one that was observed is given.
 */
import { fileType } from '../../network/wire/attributes.ts'
import { failed, oneOf } from './answers.ts'
import type { Answer, Call, ModelIno, SetattrCall, WriteCall } from './calls.ts'
import { childOf, drop, enter, leave } from './entries.ts'
import { rename } from './rename.ts'
import { type ModelNode, newNode, typeOf, type World } from './world.ts'

export interface Circumstances {
  /** Who calls. */
  readonly client: string
  /** What the caller was told; absent when that is not known, or not to be considered. */
  readonly observed?: Answer | undefined
  /** The number of what the call makes. */
  readonly newIno: ModelIno
  /** Clients that have ended without a word: what they have open may go, or stay. */
  readonly lost?: ReadonlySet<string>
}

type Act<N extends Call['name']> = (
  world: World,
  call: Extract<Call, { name: N }>,
  circumstances: Circumstances,
) => Answer

const setuid = 0o4000
const setgid = 0o2000
const groupExecutes = 0o010

function directoryError(world: World, ino: ModelIno): Answer | null {
  if (world.get(ino) === undefined) return failed('ESTALE')
  return world.isDirectory(ino) ? null : failed('ENOTDIR')
}

function make(
  world: World,
  call: { parent: ModelIno; entry: string },
  mode: number,
  ino: ModelIno,
  more: Partial<ModelNode> = {},
): Answer {
  const above = world.get(call.parent)!
  const inherits = (above.mode & setgid) !== 0
  const isDirectory = typeOf(mode) === fileType.directory
  const bits = inherits && isDirectory ? mode | setgid : mode
  world.put(ino, { ...newNode(bits, { uid: 0, gid: inherits ? above.gid : 0 }), ...more })
  enter(world, call.parent, call.entry, ino)
  return { ino, attributes: world.attributesOf(ino) }
}

function makeIfFree(
  world: World,
  call: { parent: ModelIno; entry: string },
  mode: number,
  ino: ModelIno,
  more: Partial<ModelNode> = {},
): Answer {
  const error = directoryError(world, call.parent)
  if (error !== null) return error
  if (childOf(world, call.parent, call.entry) !== undefined) return failed('EEXIST')
  return make(world, call, mode, ino, more)
}

const create: Act<'create'> = (world, call, { client, newIno, observed }) => {
  const error = directoryError(world, call.parent)
  if (error !== null) return error
  const found = childOf(world, call.parent, call.entry)
  if (found === undefined) {
    const mode = fileType.regular | call.mode
    make(world, call, mode, newIno, { opens: [client] })
    return { ino: newIno }
  }
  if (call.exclusive) return failed('EEXIST')
  if (world.isDirectory(found)) return failed('EISDIR')
  // Whoever asks is to look what is there, and to open that: it is not in the reach of this directory.
  if (observed?.error === 'ESTALE' || world.get(found)!.mode >> 12 !== fileType.regular >> 12) {
    return failed('ESTALE')
  }
  world.change(found, { opens: [...world.get(found)!.opens, client] })
  return { ino: found }
}

const unlink: Act<'unlink'> = (world, { parent, entry }) => {
  const error = directoryError(world, parent)
  if (error !== null) return error
  const ino = childOf(world, parent, entry)
  if (ino === undefined) return failed('ENOENT')
  if (world.isDirectory(ino)) return failed('EISDIR')
  leave(world, parent, entry)
  drop(world, ino)
  return {}
}

const rmdir: Act<'rmdir'> = (world, { parent, entry }) => {
  const error = directoryError(world, parent)
  if (error !== null) return error
  const ino = childOf(world, parent, entry)
  if (ino === undefined) return failed('ENOENT')
  if (!world.isDirectory(ino)) return failed('ENOTDIR')
  if (world.get(ino)!.entries.size > 0) return failed('ENOTEMPTY')
  leave(world, parent, entry)
  drop(world, ino)
  return {}
}

/** The attributes that come with it may be newer: of a change that this client made before it heard of the link. */
const link: Act<'link'> = (world, { ino, parent, entry }, { observed }) => {
  const error = directoryError(world, parent)
  if (error !== null) return error
  const errors: string[] = []
  const node = world.get(ino)
  if (childOf(world, parent, entry) !== undefined) errors.push('EEXIST')
  if (node === undefined) errors.push('ESTALE')
  else if (world.isDirectory(ino)) errors.push('EPERM')
  else if (node.nlink === 0) errors.push('ENOENT')
  if (node === undefined || errors.length > 0) return oneOf(errors, observed)
  enter(world, parent, entry, ino)
  world.change(ino, { nlink: node.nlink + 1 })
  return {}
}

function resized(data: string, size: number): string {
  return data.slice(0, size).padEnd(size, '\0')
}

/** As of `link`. */
const setattr: Act<'setattr'> = (world, call) => {
  const node = world.get(call.ino)
  if (node === undefined) return failed('ESTALE')
  const { size, uid = node.uid, gid = node.gid } = call
  const isDirectory = world.isDirectory(call.ino)
  if (size !== undefined && isDirectory) return failed('EISDIR')
  const data = size === undefined ? node.data : resized(node.data, size)
  world.change(call.ino, { data, uid, gid, mode: modeAfter(node, call, isDirectory) })
  return {}
}

/** chown(2) takes setuid, and setgid where it means anything, from all but directories. */
function modeAfter({ mode }: ModelNode, call: SetattrCall, isDirectory: boolean): number {
  const wanted = call.mode === undefined ? mode : typeOf(mode) | call.mode
  if ((call.uid === undefined && call.gid === undefined) || isDirectory) return wanted
  const executes = (wanted & groupExecutes) !== 0
  return wanted & ~setuid & ~(executes ? setgid : 0)
}

function written({ data }: ModelNode, call: WriteCall): string {
  const offset = call.append ? data.length : call.offset
  const whole = resized(data, Math.max(data.length, offset))
  return whole.slice(0, offset) + call.data + whole.slice(offset + call.data.length)
}

const acts: { readonly [N in Call['name']]: Act<N> } = {
  lookup(world, { parent, entry }) {
    const error = directoryError(world, parent)
    if (error !== null) return error
    const ino = childOf(world, parent, entry)
    return ino === undefined ? failed('ENOENT') : { ino }
  },
  getattr: (world, { ino }) =>
    world.get(ino) === undefined ? failed('ESTALE') : { attributes: world.attributesOf(ino) },
  readdir(world, { ino }) {
    const error = directoryError(world, ino)
    if (error !== null) return error
    const entries = [...world.get(ino)!.entries].map(([name, child]) => `${name}:${child}`)
    return { entries: entries.sort() }
  },
  readlink(world, { ino }) {
    const node = world.get(ino)
    if (node === undefined) return failed('ESTALE')
    return typeOf(node.mode) === fileType.symlink ? { data: node.data } : failed('EINVAL')
  },
  create,
  symlink: (world, call, { newIno }) =>
    makeIfFree(world, call, fileType.symlink | 0o777, newIno, { data: call.target }),
  link,
  mkdir: (world, call, { newIno }) =>
    makeIfFree(world, call, fileType.directory | call.mode, newIno),
  unlink,
  rmdir,
  rename(world, call, { observed }) {
    const error = directoryError(world, call.parent) ?? directoryError(world, call.newParent)
    return error ?? rename(world, call, observed)
  },
  open(world, { ino, truncate }, { client }) {
    const node = world.get(ino)
    if (node === undefined) return failed('ESTALE')
    if (world.isDirectory(ino)) return failed('EISDIR')
    world.change(ino, { opens: [...node.opens, client], data: truncate ? '' : node.data })
    return {}
  },
  release(world, { ino }, { client }) {
    const { opens } = world.get(ino)!
    const at = opens.indexOf(client)
    world.change(ino, { opens: opens.toSpliced(at, at < 0 ? 0 : 1) })
    return {}
  },
  read: (world, { ino }) => {
    const node = world.get(ino)
    return node === undefined ? failed('ESTALE') : { data: node.data }
  },
  write(world, call) {
    const node = world.get(call.ino)
    if (node === undefined) return failed('ESTALE')
    world.change(call.ino, { data: written(node, call) })
    return {}
  },
  setattr,
  setxattr(world, { ino, key, value }) {
    const node = world.get(ino)
    if (node === undefined) return failed('ESTALE')
    world.change(ino, { xattrs: new Map(node.xattrs).set(key, value) })
    return {}
  },
  getxattr(world, { ino, key }) {
    const node = world.get(ino)
    if (node === undefined) return failed('ESTALE')
    const data = node.xattrs.get(key)
    return data === undefined ? failed('ENODATA') : { data }
  },
  removexattr(world, { ino, key }) {
    const node = world.get(ino)
    if (node === undefined) return failed('ESTALE')
    if (!node.xattrs.has(key)) return failed('ENODATA')
    world.change(ino, { xattrs: new Map([...node.xattrs].filter(([each]) => each !== key)) })
    return {}
  },
}

/** Changes the world as the call does. @returns what the caller is told. */
export function apply(world: World, call: Call, circumstances: Circumstances): Answer {
  if ('ino' in call && mayBeGone(world, call.ino, circumstances)) world.remove(call.ino)
  const act = acts[call.name] as Act<Call['name']>
  const answer = act(world, call as never, circumstances)
  // Of a directory that is gone but still used, POSIX has it that it is empty.
  const isEmpty = answer.error === 'ESTALE' && circumstances.observed?.error === 'ENOENT'
  return isEmpty && inosOf(call).some(ino => world.get(ino) === undefined)
    ? failed('ENOENT')
    : answer
}

function inosOf(call: Call): ModelIno[] {
  const { ino, parent, newParent } = { ino: null, parent: null, newParent: null, ...call }
  return [ino, parent, newParent].filter(each => each !== null)
}

/** What has neither a name nor anybody who has it open goes at some time: when somebody finds it gone. */
function mayBeGone(world: World, ino: ModelIno, { observed, lost }: Circumstances): boolean {
  const node = world.get(ino)
  if (node === undefined || observed?.error !== 'ESTALE') return false
  return node.nlink === 0 && node.opens.every(client => lost?.has(client) === true)
}
