/** Access control lists and file capabilities, as the operations of one partition keep them. */
import test, { type ExecutionContext } from 'ava'
import { fileType } from '../../../network/wire/attributes.ts'
import type { Ino } from '../../../network/wire/ids.ts'
import type { CreateRequest } from '../../../network/wire/operations.ts'
import { type Acl, aclTag, decodeAcl, encodeAcl, noId } from '../../../network/wire/posix-acl.ts'
import {
  accessAclName,
  capabilityName,
  defaultAclName,
  xattrFlag,
} from '../../../network/wire/xattr-names.ts'
import { codeOf, openRoom, type Room, root, slot } from '../../testing/room.ts'
import { getattr, setattr } from './attributes.ts'
import { commitWrite, open, reserve, writeInline } from './data.ts'
import { getxattr, listxattr, removexattr, setxattr } from './xattrs.ts'

/** Owner, user 7, group, mask, other. */
function acl(owner: number, user: number, group: number, mask: number, other: number): Acl {
  return [
    { tag: aclTag.userObject, permissions: owner, id: noId },
    { tag: aclTag.user, permissions: user, id: 7 },
    { tag: aclTag.groupObject, permissions: group, id: noId },
    { tag: aclTag.mask, permissions: mask, id: noId },
    { tag: aclTag.other, permissions: other, id: noId },
  ]
}

function minimal(owner: number, group: number, other: number): Acl {
  return acl(owner, 0, group, 0, other).filter(
    ({ tag }) => tag !== aclTag.user && tag !== aclTag.mask,
  )
}

function set(room: Room, ino: Ino, name: string, value: Acl | Uint8Array, more = {}): void {
  const bytes = value instanceof Uint8Array ? value : encodeAcl(value)
  const request = { ino, name: Buffer.from(name), value: bytes, flags: 0, ...more, ...slot }
  room.run(setxattr, request)
}

function get(room: Room, ino: Ino, name: string): Acl | null {
  return decodeAcl(room.run(getxattr, { ino, name: Buffer.from(name) }).body.value)
}

function list(room: Room, ino: Ino): string[] {
  const { value } = room.run(listxattr, { ino }).body
  return Buffer.from(value).toString().split('\0').slice(0, -1)
}

const permissionsOf = (room: Room, ino: Ino): number =>
  room.run(getattr, { ino }).body.attributes.mode & 0o7777

function refused(t: ExecutionContext, action: () => unknown): string {
  return codeOf(t.throws(action))
}

test('an access ACL sets the mode, and chmod sets the ACL', async t => {
  const room = await openRoom()
  const { ino, change } = room.file('f')
  set(room, ino, accessAclName, acl(6, 7, 4, 6, 0))
  t.is(permissionsOf(room, ino), 0o660)
  t.like(room.run(getattr, { ino }).body.attributes, { change: change + 1, xattrFlags: 1 })
  room.run(setattr, { ino, mode: 0o4751, ...slot })
  t.deepEqual(get(room, ino, accessAclName), acl(7, 7, 4, 5, 1))
  t.is(permissionsOf(room, ino), 0o4751)
})

test('an ACL that says no more than the mode is not kept', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  set(room, ino, accessAclName, acl(6, 7, 4, 6, 0))
  t.deepEqual(list(room, ino), [accessAclName])
  set(room, ino, accessAclName, minimal(7, 5, 1))
  t.deepEqual(list(room, ino), [])
  t.is(permissionsOf(room, ino), 0o751)
  t.is(room.run(getattr, { ino }).body.attributes.xattrFlags, xattrFlag.none)
  t.is(
    refused(t, () => get(room, ino, accessAclName)),
    'ENODATA',
  )
})

test('to remove an ACL leaves the mode, and is no error where there is none', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  set(room, ino, accessAclName, acl(6, 7, 4, 6, 0))
  const name = Buffer.from(accessAclName)
  room.run(removexattr, { ino, name, ...slot })
  t.is(permissionsOf(room, ino), 0o660)
  t.deepEqual(list(room, ino), [])
  const { change } = room.run(getattr, { ino }).body.attributes
  room.run(removexattr, { ino, name, ...slot })
  set(room, ino, accessAclName, new Uint8Array(0))
  t.is(room.run(getattr, { ino }).body.attributes.change, change)
})

test('setgid goes when a stranger to the group sets the access ACL, not with a default ACL', async t => {
  const room = await openRoom()
  const { ino } = room.file('f', { mode: fileType.regular | 0o2755 })
  set(room, ino, accessAclName, acl(7, 7, 5, 7, 5))
  t.is(permissionsOf(room, ino), 0o2775)
  set(room, ino, accessAclName, minimal(7, 5, 5), { killSetgid: true })
  t.is(permissionsOf(room, ino), 0o755)
  room.run(setattr, { ino: root, mode: 0o2755, ...slot })
  set(room, root, defaultAclName, acl(7, 7, 5, 7, 5), { killSetgid: true })
  t.is(permissionsOf(room, root), 0o2755)
})

test('ACLs that are none, or of what can have none, are refused', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  const target = Buffer.from('to')
  const link = room.file('l', { mode: fileType.symlink | 0o777, target })
  const bad = acl(6, 7, 4, 6, 0).slice(1)
  t.is(
    refused(t, () => set(room, ino, accessAclName, bad)),
    'EINVAL',
  )
  t.is(
    refused(t, () => set(room, ino, defaultAclName, acl(7, 7, 7, 7, 7))),
    'EACCES',
  )
  t.notThrows(() => set(room, ino, defaultAclName, new Uint8Array(0)))
  t.is(
    refused(t, () => set(room, link.ino, accessAclName, acl(7, 7, 7, 7, 7))),
    'EOPNOTSUPP',
  )
  t.is(
    refused(t, () => get(room, link.ino, accessAclName)),
    'EOPNOTSUPP',
  )
  t.is(permissionsOf(room, ino), 0o644)
})

async function withDefault(value: Acl): Promise<Room> {
  const room = await openRoom()
  set(room, root, defaultAclName, value)
  return room
}

test('a file inherits the default ACL of its directory, and no umask is taken off', async t => {
  const room = await withDefault(acl(7, 7, 5, 7, 0))
  t.is(room.run(getattr, { ino: root }).body.attributes.xattrFlags, 2)
  const file = room.file('f', { mode: fileType.regular | 0o666, umask: 0o077 })
  t.is(file.mode & 0o7777, 0o660)
  t.is(file.xattrFlags, 1)
  t.deepEqual(get(room, file.ino, accessAclName), acl(6, 7, 5, 6, 0))
  t.deepEqual(list(room, file.ino), [accessAclName])
  const fifo = room.file('p', { mode: fileType.fifo | 0o666, umask: 0o077 })
  t.deepEqual(get(room, fifo.ino, accessAclName), acl(6, 7, 5, 6, 0))
})

test('the umask counts where there is no default ACL, and never for a symbolic link', async t => {
  const room = await openRoom()
  const more = { umask: 0o027 } satisfies Partial<CreateRequest>
  t.is(room.file('f', { mode: fileType.regular | 0o4777, ...more }).mode & 0o7777, 0o4750)
  const link = { mode: fileType.symlink | 0o777, target: Buffer.from('to'), ...more }
  t.is(room.file('l', link).mode & 0o7777, 0o777)
  set(room, root, defaultAclName, acl(7, 7, 5, 7, 0))
  const second = room.file('m', link)
  t.like(second, { mode: fileType.symlink | 0o777, xattrFlags: xattrFlag.none })
  t.is(
    refused(t, () => room.file('g', { umask: 0o1000 })),
    'EINVAL',
  )
})

test('a default ACL that says no more than a mode leaves no ACL on a file', async t => {
  const room = await withDefault(minimal(7, 5, 0))
  const file = room.file('f', { mode: fileType.regular | 0o666, umask: 0 })
  t.like(file, { mode: fileType.regular | 0o640, xattrFlags: xattrFlag.none })
  t.deepEqual(list(room, file.ino), [])
})

test('a removed file takes its ACL along', async t => {
  const room = await withDefault(acl(7, 7, 5, 7, 0))
  const { ino } = room.file('f')
  t.is(list(room, ino).length, 1)
  room.run(removexattr, { ino: root, name: Buffer.from(defaultAclName), ...slot })
  t.is(room.file('g').xattrFlags, xattrFlag.none)
})

const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')
const nothing = new Uint8Array(0)

/** Each takes file capabilities away. */
const endings: Readonly<Record<string, (room: Room, ino: Ino) => void>> = {
  'a write': (room, ino) => {
    const { checksum } = room.run(open, { ino, truncate: false, wantData: true, ...slot }).body
    const request = { ino, offset: 0, append: false, checksum, killPrivileges: false, ...slot }
    room.run(writeInline, request, [nothing])
  },
  'a write of blocks': (room, ino) => {
    room.run(reserve, { ino, reach: 1, exclusive: false, ...slot })
    const { attributes } = room.run(getattr, { ino }).body
    const { generation, cuts, change } = attributes
    const write = {
      allocated: 0,
      end: 10,
      generation,
      cuts,
      spilled: change,
      expectedSize: -1,
      reach: 1,
    }
    room.run(commitWrite, { ino, ...write, killPrivileges: false, ...slot })
  },
  'a truncation': (room, ino) => room.run(setattr, { ino, size: 0, ...slot }),
  'an open that truncates': (room, ino) => {
    room.run(open, { ino, truncate: true, wantData: false, ...slot })
  },
  'a change of owner': (room, ino) => room.run(setattr, { ino, uid: 9, ...slot }),
  'a change of group': (room, ino) => room.run(setattr, { ino, gid: 9, ...slot }),
}

for (const [what, end] of Object.entries(endings)) {
  test(`${what} takes file capabilities away and leaves other attributes`, async t => {
    const room = await openRoom()
    const { ino } = room.file('f')
    set(room, ino, 'user.a', Buffer.from('1'))
    set(room, ino, capabilityName, capability)
    t.is(room.run(getattr, { ino }).body.attributes.xattrFlags, 4)
    end(room, ino)
    t.deepEqual(list(room, ino), ['user.a'])
    t.is(room.run(getattr, { ino }).body.attributes.xattrFlags, 0)
  })
}

test('a change of mode or time leaves file capabilities alone', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  set(room, ino, capabilityName, capability)
  room.run(setattr, { ino, mode: 0o700, mtimeNs: 5n, ...slot })
  t.deepEqual(list(room, ino), [capabilityName])
})

test('names outside of the namespaces are refused, and user attributes of what holds no data', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  const fifo = room.file('p', { mode: fileType.fifo | 0o666 })
  const one = Buffer.from('1')
  for (const name of ['system.other', 'other.a', 'user', 'system.posix_acl_accessory']) {
    t.is(
      refused(t, () => set(room, ino, name, one)),
      'EOPNOTSUPP',
      name,
    )
  }
  t.is(
    refused(t, () => set(room, ino, 'user.', one)),
    'EINVAL',
  )
  t.is(
    refused(t, () => set(room, fifo.ino, 'user.a', one)),
    'EPERM',
  )
  t.notThrows(() => set(room, fifo.ino, 'trusted.a', one))
})
