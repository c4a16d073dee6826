import test from 'ava'
import { aclTag, encodeAcl, noId } from '../../network/wire/posix-acl.ts'
import { accessAclName, defaultAclName } from '../../network/wire/xattr-names.ts'
import { encodeXattrs } from '../metadata/xattrs.ts'
import { areReadable, readableXattrs } from './readable-xattrs.ts'

const acl = encodeAcl(
  [aclTag.userObject, aclTag.groupObject, aclTag.other].map(tag => {
    return { tag, permissions: 4, id: noId }
  }),
)
const one = Buffer.from('1')

test('sound attributes are read as they are', t => {
  const record = encodeXattrs(new Map([[defaultAclName, acl]]))
  t.true(areReadable(record))
  t.deepEqual([...readableXattrs(record).keys()], [defaultAclName])
  t.is(readableXattrs(undefined).size, 0)
})

test('an access control list that is none is left out, and other attributes stay', t => {
  for (const bad of [acl.subarray(0, 12), acl.subarray(0, 4), Buffer.from('no list')]) {
    const all: [string, Uint8Array][] = [
      [accessAclName, bad],
      ['user.a', one],
    ]
    const record = encodeXattrs(new Map(all))
    t.false(areReadable(record))
    t.deepEqual([...readableXattrs(record).keys()], ['user.a'])
  }
})

test('of a record that is cut short the beginning is read', t => {
  const all: [string, Uint8Array][] = [
    ['user.a', one],
    ['user.b', acl],
  ]
  const record = encodeXattrs(new Map(all))
  const cut = record.subarray(0, record.length - 1)
  t.false(areReadable(cut))
  t.deepEqual([...readableXattrs(cut).keys()], ['user.a'])
})
