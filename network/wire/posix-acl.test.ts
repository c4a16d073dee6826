/** ACLs as Linux has them: their form, which are valid, and how they and modes follow each other. */
import test from 'ava'
import fc from 'fast-check'
import { PosixError } from '../errors.ts'
import { maxAclBytes } from '../limits.ts'
import {
  type Acl,
  type AclEntry,
  aclTag,
  decodeAcl,
  encodeAcl,
  inheritedAcl,
  isMinimal,
  noId,
  permissionBitsOf,
  withMode,
} from './posix-acl.ts'

const tags = new Map([
  ['u', [aclTag.userObject, aclTag.user]],
  ['g', [aclTag.groupObject, aclTag.group]],
  ['m', [aclTag.mask, aclTag.mask]],
  ['o', [aclTag.other, aclTag.other]],
])

/** As setfacl(1) has it: `u::rwx,u:7:r--,g::r-x,m::rwx,o::---`. */
function acl(text: string): Acl {
  return text.split(',').map(entry => {
    const [kind = '', id = '', letters = ''] = entry.split(':')
    const tag = tags.get(kind)![id === '' ? 0 : 1]!
    const permissions = [...'rwx'].reduce((sum, c, i) => sum + (letters[i] === c ? 4 >> i : 0), 0)
    return { tag, permissions, id: id === '' ? noId : Number(id) }
  })
}

const permissions = fc.integer({ min: 0, max: 7 })
const ids = fc.integer({ min: 0, max: noId - 1 })
const entry = (tag: number) =>
  fc.record({ tag: fc.constant(tag), permissions, id: fc.constant(noId) })
const named = (tag: number) =>
  fc.array(fc.record({ tag: fc.constant(tag), permissions, id: ids }), { maxLength: 5 })
const valid: fc.Arbitrary<Acl> = fc
  .record({
    owner: entry(aclTag.userObject),
    users: named(aclTag.user),
    group: entry(aclTag.groupObject),
    groups: named(aclTag.group),
    mask: entry(aclTag.mask),
    masked: fc.boolean(),
    other: entry(aclTag.other),
  })
  .map(({ owner, users, group, groups, mask, masked, other }) => {
    const needed = masked || users.length + groups.length > 0
    return [owner, ...users, group, ...groups, ...(needed ? [mask] : []), other]
  })
const modes = fc.integer({ min: 0, max: 0o777 })

const codeOf = (work: () => unknown): string => {
  try {
    work()
    return 'ok'
  } catch (error) {
    return error instanceof PosixError ? error.code : String(error)
  }
}
const check = (list: readonly AclEntry[]) => codeOf(() => decodeAcl(encodeAcl(list)))

test('an ACL is encoded as linux/posix_acl_xattr.h has it', t => {
  const bytes = Buffer.from(encodeAcl(acl('u::rw-,u:258:r--,g::r--,m::r--,o::---')))
  t.is(
    bytes.toString('hex'),
    `02000000${'01000600ffffffff'}${'0200040002010000'}${'04000400ffffffff'}${'10000400ffffffff'}${'20000000ffffffff'}`,
  )
})

test('a valid ACL comes back as it was', t => {
  const property = fc.property(valid, list => {
    t.deepEqual(decodeAcl(encodeAcl(list)), list)
  })
  fc.assert(property, { numRuns: 200 })
})

test('no entries are no ACL', t => {
  t.is(decodeAcl(new Uint8Array(0)), null)
  t.is(decodeAcl(Uint8Array.of(2, 0, 0, 0)), null)
})

test('the numbers of entries that name nobody are not kept', t => {
  const bytes = Buffer.from(encodeAcl(acl('u::rwx,g::r-x,o::r-x')))
  bytes.writeUInt32LE(77, 8)
  t.deepEqual(decodeAcl(bytes), acl('u::rwx,g::r-x,o::r-x'))
})

test('what posix_acl_valid refuses is EINVAL', t => {
  const full = acl('u::rwx,u:1:r--,g::r-x,g:2:r--,m::rwx,o::---')
  t.is(check(full), 'ok')
  for (const left of [0, 2, 4, 5]) t.is(check(full.toSpliced(left, 1)), 'EINVAL', `without ${left}`)
  for (const twice of [0, 2, 4, 5]) {
    t.is(check(full.toSpliced(twice, 0, full[twice]!)), 'EINVAL', `${twice} twice`)
  }
  t.is(check([...full].reverse()), 'EINVAL')
  t.is(check(acl('u::rwx,g::r-x,m::rwx,o::---')), 'ok')
  t.is(check(full.with(1, { ...full[1]!, permissions: 8 })), 'EINVAL')
  t.is(check(full.with(1, { ...full[1]!, id: noId })), 'EINVAL')
  t.is(check(full.with(1, { ...full[1]!, tag: 3 })), 'EINVAL')
  t.is(
    check(acl('u::rwx,u:9:r--,u:1:r--,u:9:r--,g::r-x,m::rwx,o::---')),
    'ok',
    'Linux lets this be',
  )
})

test('what is no ACL at all is refused as by posix_acl_from_xattr', t => {
  const bytes = Buffer.from(encodeAcl(acl('u::rwx,g::r-x,o::r-x')))
  t.is(
    codeOf(() => decodeAcl(bytes.subarray(0, 3))),
    'EINVAL',
  )
  t.is(
    codeOf(() => decodeAcl(bytes.subarray(0, 27))),
    'EINVAL',
  )
  bytes.writeUInt32LE(1, 0)
  t.is(
    codeOf(() => decodeAcl(bytes)),
    'EOPNOTSUPP',
  )
})

test('more entries than the kernel reads are E2BIG', t => {
  const most = Math.floor((maxAclBytes - 4) / 8)
  const users = Array.from({ length: most - 4 }, (_, id) => `u:${id}:r--`).join(',')
  t.is(check(acl(`u::rwx,${users},g::r-x,m::rwx,o::---`)), 'ok')
  t.is(check(acl(`u::rwx,u:999:r--,${users},g::r-x,m::rwx,o::---`)), 'E2BIG')
})

test('a damaged ACL is refused or another valid one, never anything else', t => {
  const places = fc.nat({ max: 200 })
  const property = fc.property(valid, places, fc.nat({ max: 255 }), (list, place, value) => {
    const bytes = Uint8Array.from(encodeAcl(list))
    bytes[place % bytes.length] = value
    const code = codeOf(() => decodeAcl(bytes))
    t.true(['ok', 'EINVAL', 'EOPNOTSUPP'].includes(code), code)
    if (code === 'ok') t.is(check(decodeAcl(bytes) ?? []), 'ok')
  })
  fc.assert(property, { numRuns: 300 })
})

test('the mode shows the mask as the group, or the group itself', t => {
  t.is(permissionBitsOf(acl('u::rw-,g::r-x,o::--x')), 0o651)
  t.is(permissionBitsOf(acl('u::rw-,u:1:rwx,g::r-x,m::-w-,o::--x')), 0o621)
})

test('chmod and the mode that an ACL shows are each other back', t => {
  const property = fc.property(valid, modes, (list, mode) => {
    const changed = withMode(list, mode)
    t.is(permissionBitsOf(changed), mode)
    t.is(
      codeOf(() => decodeAcl(encodeAcl(changed))),
      'ok',
    )
    t.is(isMinimal(changed), isMinimal(list))
  })
  fc.assert(property, { numRuns: 200 })
})

test('chmod leaves named entries alone, and the group where there is a mask', t => {
  const list = acl('u::rwx,u:7:rwx,g::r-x,g:8:r--,m::rwx,o::r-x')
  t.deepEqual(withMode(list, 0o640), acl('u::rw-,u:7:rwx,g::r-x,g:8:r--,m::r--,o::---'))
  t.deepEqual(withMode(acl('u::rwx,g::r-x,o::r-x'), 0o620), acl('u::rw-,g::-w-,o::---'))
})

/** acl(5), OBJECT CREATION AND DEFAULT ACLs: the default ACL, the mode given, what comes of it. */
const inheritance: readonly (readonly [string, number, string, number])[] = [
  ['u::rwx,g::r-x,o::r-x', 0o666, 'u::rw-,g::r--,o::r--', 0o644],
  ['u::rwx,g::r-x,o::r-x', 0o777, 'u::rwx,g::r-x,o::r-x', 0o755],
  ['u::rwx,g::rwx,o::rwx', 0o600, 'u::rw-,g::---,o::---', 0o600],
  ['u::rwx,u:7:rwx,g::r-x,m::rwx,o::---', 0o666, 'u::rw-,u:7:rwx,g::r-x,m::rw-,o::---', 0o660],
  ['u::rwx,u:7:rwx,g::rwx,m::r-x,o::r-x', 0o777, 'u::rwx,u:7:rwx,g::rwx,m::r-x,o::r-x', 0o755],
  ['u::rwx,u:7:rwx,g::r-x,m::rwx,o::rwx', 0o640, 'u::rw-,u:7:rwx,g::r-x,m::r--,o::---', 0o640],
  ['u::r--,g::r--,o::---', 0o777, 'u::r--,g::r--,o::---', 0o440],
]

for (const [from, mode, to, bits] of inheritance) {
  test(`a file of mode ${mode.toString(8)} inherits of ${from} as acl(5) has it`, t => {
    const got = inheritedAcl(acl(from), mode)
    t.deepEqual(got, acl(to))
    t.is(permissionBitsOf(got), bits)
  })
}

test('what is inherited never gives more than the mode that was asked for, nor than the default ACL', t => {
  const property = fc.property(valid, modes, (list, mode) => {
    const bits = permissionBitsOf(inheritedAcl(list, mode))
    t.is(bits & ~mode, 0)
    t.is(bits, permissionBitsOf(list) & mode)
  })
  fc.assert(property, { numRuns: 200 })
})
