/** What is agreed upon with the kernel about ACLs, umasks and file capabilities. */
import test from 'ava'
import type { Ino } from '../../network/wire/ids.ts'
import { accessAclName, capabilityName, xattrFlag } from '../../network/wire/xattr-names.ts'
import type { Caller, SetXattrOptions } from '../fs/contract.ts'
import { MemoryFileSystem } from './memory-file-system.ts'
import { initFlag, opcode } from './protocol/numbers.ts'
import { FakeChannel, text, u32, u64 } from './session.test-support.ts'
import { Session } from './session.ts'

const wallNs = () => 1n
const enodata = -61
const eopnotsupp = -95

/** Remembers what it was asked for. */
class AclFileSystem extends MemoryFileSystem {
  readonly keepsAcls = true
  readonly asked: string[] = []
  readonly callers: Caller[] = []
  readonly options: (SetXattrOptions | undefined)[] = []

  override getxattr(ino: Ino, name: Uint8Array): Promise<Uint8Array> {
    this.asked.push(Buffer.from(name).toString())
    return super.getxattr(ino, name)
  }

  override setxattr(
    ino: Ino,
    name: Uint8Array,
    value: Uint8Array,
    flags: number,
    options?: SetXattrOptions,
  ): Promise<void> {
    this.options.push(options)
    return super.setxattr(ino, name, value, flags)
  }

  override mkdir(parent: Ino, name: Uint8Array, mode: number, caller: Caller) {
    this.callers.push(caller)
    return super.mkdir(parent, name, mode, caller)
  }
}

interface Options {
  readonly keepsAcls?: boolean
  readonly permissionsChecked?: boolean
  /** What the kernel offers at INIT. */
  readonly offered?: number
}

async function start(options: Options = {}) {
  const { keepsAcls = true, permissionsChecked = true, offered = -1 } = options
  const acls = new AclFileSystem({ wallNs })
  const fileSystem = keepsAcls ? acls : new MemoryFileSystem({ wallNs })
  const channel = new FakeChannel()
  const events = { onReady: () => undefined, onUnexpected: () => undefined }
  const session = new Session(fileSystem, channel, events, permissionsChecked)
  const body = [u32(7), u32(45), u32(131072), u32(offered), u32(offered)]
  const init = await channel.ask(session, opcode.init, 0, body)
  return { acls, channel, session, flags: init.body.readUInt32LE(12) }
}

const has = (flags: number) => ({
  posixAcl: (flags & initFlag.posixAcl) !== 0,
  dontMask: (flags & initFlag.dontMask) !== 0,
  extended: (flags & initFlag.extendedSetxattr) !== 0,
})

test('the kernel is to obey ACLs where it checks permissions and they are kept', async t => {
  const kept = await start()
  t.deepEqual(has(kept.flags), { posixAcl: true, dontMask: true, extended: true })
  const unchecked = await start({ permissionsChecked: false })
  t.deepEqual(has(unchecked.flags), { posixAcl: false, dontMask: true, extended: true })
  const none = await start({ keepsAcls: false })
  t.deepEqual(has(none.flags), { posixAcl: false, dontMask: false, extended: false })
})

const get = (name: string, size: number) => [u32(size), u32(0), text(name)]

test('an ACL is asked for each time, and no notice is sent for it', async t => {
  const { acls, channel, session } = await start()
  for (let time = 0; time < 2; time += 1) {
    const none = await channel.ask(session, opcode.getxattr, 1, get(accessAclName, 4096))
    t.is(none.error, enodata)
  }
  await acls.setxattr(acls.root, Buffer.from(accessAclName), Buffer.from('list'), 0)
  const list = await channel.ask(session, opcode.getxattr, 1, get(accessAclName, 4096))
  t.is(list.body.toString(), 'list')
  t.deepEqual(acls.asked, [accessAclName, accessAclName, accessAclName])
  t.deepEqual(channel.notices, [])
})

/** A thread asks for the attributes of the top, and for its access ACL. */
const check = {
  attributes: [u32(0), u32(0), u64(0n)],
  acl: get(accessAclName, 4096),
}

test('a thread that was just told attributes without an ACL is not answered by the file system', async t => {
  const { acls, channel, session } = await start()
  const ask = async (thread: number, what: keyof typeof check) => {
    channel.thread = thread
    const operation = what === 'acl' ? opcode.getxattr : opcode.getattr
    return (await channel.ask(session, operation, 1, check[what])).error
  }
  await ask(7, 'attributes')
  t.is(await ask(7, 'acl'), enodata)
  t.is(acls.asked.length, 0)
  t.is(await ask(7, 'acl'), enodata)
  t.is(acls.asked.length, 1, 'once')
  await ask(7, 'attributes')
  await ask(8, 'acl')
  t.is(acls.asked.length, 2, 'another thread')
  await ask(0, 'attributes')
  await ask(0, 'acl')
  t.is(acls.asked.length, 3, 'a thread that cannot be told from others')
  const { getattr } = acls
  acls.getattr = async ino => ({ ...(await getattr.call(acls, ino)), xattrFlags: 1 })
  await ask(7, 'attributes')
  await ask(7, 'acl')
  t.is(acls.asked.length, 4, 'attributes with an ACL')
})

test('attributes asked for before an ACL was changed here say nothing of it', async t => {
  const { acls, channel, session } = await start()
  channel.thread = 7
  const set = [u32(4), u32(0), u32(0), u32(0), text(accessAclName), Buffer.from('list')]
  const change = () => channel.ask(session, opcode.setxattr, 1, set)
  await channel.ask(session, opcode.getattr, 1, check.attributes)
  await change()
  t.is((await channel.ask(session, opcode.getxattr, 1, check.acl)).error, 0)
  const { getattr } = acls
  acls.getattr = async ino => {
    const before = await getattr.call(acls, ino)
    await acls.setxattr(ino, Buffer.from(accessAclName), Buffer.from('list'), 0)
    session.lastChecks.aclChanged()
    return before
  }
  await channel.ask(session, opcode.getattr, 1, check.attributes)
  t.is((await channel.ask(session, opcode.getxattr, 1, check.acl)).error, 0)
})

test('what a thread was told is no answer when the kernel has been told of an ACL since', async t => {
  const { acls, channel, session } = await start()
  const { getattr } = acls
  let xattrFlags = 0
  acls.getattr = async ino => ({ ...(await getattr.call(acls, ino)), xattrFlags })
  const ask = (thread: number, what: keyof typeof check) => {
    channel.thread = thread
    const operation = what === 'acl' ? opcode.getxattr : opcode.getattr
    return channel.ask(session, operation, 1, check[what])
  }
  await ask(7, 'attributes')
  xattrFlags = 1
  await ask(8, 'attributes')
  await ask(7, 'acl')
  t.is(acls.asked.length, 1)
  const after = await acls.getattr(acls.root)
  acls.getattr = async () => {
    session.lastChecks.saw(after)
    return { ...after, xattrFlags: 0 }
  }
  await ask(7, 'attributes')
  await ask(7, 'acl')
  t.is(acls.asked.length, 2, 'told meanwhile')
})

test('SETXATTR says whether setgid goes, where that was agreed upon', async t => {
  const value = Buffer.from('list')
  const name = text(accessAclName)
  const { acls, channel, session } = await start()
  for (const kill of [0, 1]) {
    const body = [u32(4), u32(0), u32(kill), u32(0), name, value]
    t.is((await channel.ask(session, opcode.setxattr, 1, body)).error, 0)
  }
  const older = await start({ offered: ~initFlag.extendedSetxattr })
  t.is(
    (await older.channel.ask(older.session, opcode.setxattr, 1, [u32(4), u32(0), name, value]))
      .error,
    0,
  )
  const options = [...acls.options, ...older.acls.options]
  t.deepEqual(
    options.map(one => one?.killSetgid),
    [false, true, false],
  )
})

test('where no ACLs are kept, none are taken', async t => {
  const { channel, session } = await start({ keepsAcls: false })
  for (const name of [accessAclName, capabilityName]) {
    const set = [u32(1), u32(0), text(name), Buffer.from('1')]
    t.is((await channel.ask(session, opcode.setxattr, 1, set)).error, eopnotsupp)
    t.is((await channel.ask(session, opcode.getxattr, 1, get(name, 10))).error, enodata)
  }
})

test('the umask goes with a new directory', async t => {
  const { acls, channel, session } = await start()
  channel.uid = 5
  await channel.ask(session, opcode.mkdir, 1, [u32(0o777), u32(0o027), text('d')])
  t.deepEqual(acls.callers, [{ uid: 5, gid: 0, umask: 0o027 }])
})

test('only root is told that there are trusted attributes', async t => {
  const { acls, channel, session } = await start()
  for (const name of ['trusted.a', 'user.b', 'trusted.c', 'security.d']) {
    await acls.setxattr(acls.root, Buffer.from(name), Buffer.from('1'), 0)
  }
  const all = 'trusted.a\0user.b\0trusted.c\0security.d\0'
  t.is((await channel.ask(session, opcode.listxattr, 1, [u32(100), u32(0)])).body.toString(), all)
  channel.uid = 5
  const seen = 'user.b\0security.d\0'
  t.is((await channel.ask(session, opcode.listxattr, 1, [u32(100), u32(0)])).body.toString(), seen)
  const size = await channel.ask(session, opcode.listxattr, 1, [u32(0), u32(0)])
  t.is(size.body.readUInt32LE(0), seen.length)
})

test('that a file has no capabilities is known before a write, once for what was told', async t => {
  const { acls, channel, session } = await start()
  const open = [u32(0o102), u32(0o100644), u32(0), u32(0), text('f')]
  const made = await channel.ask(session, opcode.create, 1, open)
  const node = Number(made.body.readBigUInt64LE(0))
  const query = async (size: number) => {
    acls.asked.length = 0
    const reply = await channel.ask(session, opcode.getxattr, node, get(capabilityName, size))
    t.is(reply.error, enodata)
    return acls.asked.length
  }
  t.is(await query(24), 1, 'execution asks the file system')
  t.is(await query(0), 0)
  t.is(await query(0), 1)
  const attributes = () => channel.ask(session, opcode.getattr, node, [u32(0), u32(0), u64(0n)])
  await attributes()
  t.is(await query(0), 0)
  await attributes()
  const set = [u32(1), u32(0), u32(0), u32(0), text('user.a'), Buffer.from('1')]
  await channel.ask(session, opcode.setxattr, node, set)
  t.is(await query(0), 1, 'an attribute was set meanwhile')
})

test('whether a file has capabilities is asked when it has, and when nobody writes to it', async t => {
  const { acls, channel, session } = await start()
  const { file, attributes } = await acls.create(
    acls.root,
    Buffer.from('f'),
    0o100644,
    { uid: 0, gid: 0 },
    { exclusive: true, truncate: false },
  )
  acls.release(file)
  const query = async () => {
    acls.asked.length = 0
    await channel.ask(session, opcode.getxattr, attributes.ino, get(capabilityName, 0))
    return acls.asked.length
  }
  t.is(await query(), 1)
  await channel.ask(session, opcode.open, attributes.ino, [u32(0), u32(0)])
  t.is(await query(), 1, 'open for reading')
  const { getattr } = acls
  acls.getattr = async ino => ({
    ...(await getattr.call(acls, ino)),
    xattrFlags: xattrFlag.capability,
  })
  await channel.ask(session, opcode.open, attributes.ino, [u32(1), u32(0)])
  await channel.ask(session, opcode.getattr, attributes.ino, [u32(0), u32(0), u64(0n)])
  t.is(await query(), 1, 'it has')
})
