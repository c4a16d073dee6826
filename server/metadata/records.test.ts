/** Keys and records: what lies on the disk of every server there is. */
import test from 'ava'
import fc from 'fast-check'
import { ClusterError, PosixError } from '../../network/errors.ts'
import {
  inoSequenceLimit,
  maxBucketEntries,
  maxPartitionCount,
  shardSlots,
} from '../../network/limits.ts'
import { hashOfCookie } from '../../network/placement/shards.ts'
import { isDirectory } from '../../network/wire/attributes.ts'
import { makeIno } from '../../network/wire/ids.ts'
import {
  cookieOf,
  decodeEntries,
  type Entry,
  encodeEntries,
  findEntry,
  freePlace,
} from './entries.ts'
import { decodeHolding, encodeHolding, type Holding } from './holding.ts'
import { attributesOf, decodeInode, encodeInode, type Inode, noShards } from './inode.ts'
import {
  clientOfSlotKey,
  cutKey,
  decisionKey,
  endOf,
  entriesKey,
  factsKey,
  generationOfPurgeKey,
  hashOfEntriesKey,
  inlineKey,
  inodeKey,
  inoOfKey,
  inoPrefix,
  intentKey,
  isKeyOf,
  keyKind,
  kindPrefix,
  orphanKey,
  purgeKey,
  slotKey,
  slotOfSlotKey,
  slotsOfClient,
  transactionOfKey,
  xattrsKey,
} from './keys.ts'
import { decodeXattrs, encodeXattrs } from './xattrs.ts'

const partitions = fc.integer({ min: 0, max: maxPartitionCount - 1 })
const sequences = fc.integer({ min: 1, max: inoSequenceLimit - 1 })
const inos = fc.tuple(partitions, sequences).map(([p, s]) => makeIno(p, s))
const hashes = fc.integer({ min: 1, max: 2 ** 48 - 1 })
const hex = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(b => Buffer.from(b).toString('hex'))
const bytes = (maxLength: number, minLength = 0) => fc.uint8Array({ minLength, maxLength })
const hexOf = (text: string) => Buffer.from(text, 'latin1').toString('hex')

test('keys are what they always were', t => {
  const ino = makeIno(258, 5)
  t.is(hexOf(inodeKey(258, ino)), `0102${'69'}01020000000005`)
  t.is(hexOf(entriesKey(258, ino, 0xabcdef)), '01026501020000000005000000abcdef')
  t.is(hexOf(inlineKey(1, 16)), '00016400000000000010')
  t.is(hexOf(xattrsKey(1, 16)), '00017800000000000010')
  t.is(hexOf(orphanKey(1, 16)), '00016f00000000000010')
  t.is(hexOf(cutKey(1, 16)), '00016300000000000010')
  t.is(hexOf(purgeKey(1, 16, 3)), '0001700000000000001000000003')
  t.is(hexOf(slotKey(1, 'a0'.repeat(16), 255)), `000173${'a0'.repeat(16)}00ff`)
  t.is(hexOf(intentKey(1, 'b1'.repeat(16))), `000174${'b1'.repeat(16)}`)
  t.is(hexOf(decisionKey(1, 'b1'.repeat(16))), `000175${'b1'.repeat(16)}`)
  t.is(hexOf(factsKey(4095)), '0fff6d')
})

test('what a key was made of can be read back', t => {
  const property = fc.property(partitions, inos, hashes, hex, (partition, ino, hash, id) => {
    t.is(inoOfKey(inodeKey(partition, ino)), ino)
    t.is(inoOfKey(entriesKey(partition, ino, hash)), ino)
    t.is(hashOfEntriesKey(entriesKey(partition, ino, hash)), hash)
    t.is(generationOfPurgeKey(purgeKey(partition, ino, hash % 2 ** 32)), hash % 2 ** 32)
    t.is(clientOfSlotKey(slotKey(partition, id, hash % 256)), id)
    t.is(slotOfSlotKey(slotKey(partition, id, hash % 256)), hash % 256)
    t.is(transactionOfKey(intentKey(partition, id)), id)
    t.is(transactionOfKey(decisionKey(partition, id)), id)
    t.true(isKeyOf(cutKey(partition, ino), keyKind.cut))
    t.false(isKeyOf(cutKey(partition, ino), keyKind.inode))
  })
  fc.assert(property, { numRuns: 200 })
})

test('keys order by partition, kind and number', t => {
  const property = fc.property(partitions, inos, inos, hashes, hashes, (p, a, b, g, h) => {
    t.is(inodeKey(p, a) < inodeKey(p, b), a < b)
    t.is(entriesKey(p, a, g) < entriesKey(p, a, h), g < h)
    t.is(inodeKey(p, a) < inodeKey(p + 1, b), true)
  })
  fc.assert(property, { numRuns: 200 })
})

test('a prefix and its end hold exactly the keys that begin so', t => {
  const anyKey = bytes(6, 1).map(b => Buffer.from(b).toString('latin1'))
  const property = fc.property(anyKey, anyKey, (prefix, key) => {
    if (/^\xff+$/.test(prefix)) return
    t.is(key >= prefix && key < endOf(prefix), key.startsWith(prefix))
  })
  fc.assert(property, { numRuns: 500 })
  t.is(endOf('a\xff\xff'), 'b')
  t.is(endOf('\x00\xff'), '\x01')
  t.throws(() => endOf('\xff\xff'), { name: 'AssertionError' })
  t.true(inodeKey(255, makeIno(255, 9)) < endOf(kindPrefix(255, keyKind.inode)))
  const entries = inoPrefix(3, keyKind.entries, makeIno(3, 255))
  t.true(entriesKey(3, makeIno(3, 255), 2 ** 48 - 1) < endOf(entries))
  t.false(entriesKey(3, makeIno(3, 256), 1) < endOf(entries))
  t.true(slotKey(1, 'ff'.repeat(16), 255) < endOf(slotsOfClient(1, 'ff'.repeat(16))))
})

const numbers = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const timesNs = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const anyInode = fc.record({
  ino: inos,
  mode: fc.integer({ min: 0, max: 0o177777 }),
  nlink: u32,
  uid: u32,
  gid: u32,
  rdev: u32,
  size: numbers,
  atimeNs: timesNs,
  mtimeNs: timesNs,
  ctimeNs: timesNs,
  change: numbers,
  generation: numbers,
  cuts: numbers,
  reach: numbers,
  blockBytes: fc.integer({ min: 16, max: 23 }).map(log => 2 ** log),
  inlineBytes: fc.integer({ min: 0, max: 65_536 }),
  xattrFlags: fc.integer({ min: 0, max: 255 }),
  allocated: fc.nat(),
  reserved: numbers,
  parent: inos,
  volume: inos,
})
const tails = fc.record({
  target: bytes(4095).map(each => Buffer.from(each)),
  starts: fc.uniqueArray(fc.integer({ min: 1, max: shardSlots - 1 }), { maxLength: 8 }),
})
const inodes: fc.Arbitrary<Inode> = fc.tuple(anyInode, tails).map(([inode, { target, starts }]) => {
  const shards = Buffer.from([0, ...starts.sort((a, b) => a - b)])
  if (isDirectory(inode.mode)) return { ...inode, target: noShards, shards }
  return { ...inode, target: target.length === 0 ? noShards : target, shards: noShards }
})

test('an inode comes back as it was', t => {
  const property = fc.property(inodes, inode => {
    t.deepEqual(decodeInode(encodeInode(inode)), inode)
  })
  fc.assert(property, { numRuns: 200 })
})

const sample: Inode = {
  ino: makeIno(1, 16),
  mode: 0o100644,
  nlink: 1,
  uid: 1000,
  gid: 100,
  rdev: 0,
  size: 5,
  atimeNs: 1n,
  mtimeNs: 2n,
  ctimeNs: 3n,
  change: 4,
  generation: 1,
  cuts: 0,
  reach: 0,
  blockBytes: 1_048_576,
  inlineBytes: 8192,
  xattrFlags: 5,
  allocated: 0,
  reserved: 2,
  parent: 0,
  volume: 7,
  target: Buffer.from('to'),
  shards: noShards,
}

test('an inode record is what it always was', t => {
  const record = Buffer.from(encodeInode(sample)).toString('hex')
  t.is(record.slice(0, 48), '0414a48101000000e8030000640000000000000000200000')
  t.is(record.slice(48, 64), '0000010000007042')
  t.is(record.length, 2 * (129 + 2))
  t.true(record.endsWith('0500000000000000000000000000001c40746f'))
})

test('what travels of an inode is neither its parent nor its target, shards or volume', t => {
  const { reserved, parent, target, shards, volume, ...attributes } = sample
  t.deepEqual(attributesOf(sample), attributes)
})

test('an inode record that cannot be read is told from a newer one', t => {
  const record = Buffer.from(encodeInode(sample))
  const codeOf = (value: Uint8Array) =>
    t.throws(() => decodeInode(value), { instanceOf: ClusterError })?.code
  t.is(codeOf(record.subarray(0, 128)), 'MALFORMED')
  t.is(codeOf(new Uint8Array(0)), 'MALFORMED')
  t.is(codeOf(new Uint8Array(129)), 'MALFORMED')
  record[0] = 3
  t.is(codeOf(record), 'MALFORMED')
  record[0] = 5
  t.is(codeOf(record), 'NEWER_FORMAT')
})

const entryLists: fc.Arbitrary<Entry[]> = fc.array(
  fc.record({
    name: bytes(255, 1).map(each => Buffer.from(each)),
    ino: inos,
    type: fc.constantFrom(0o040000, 0o100000, 0o120000),
    place: fc.integer({ min: 0, max: 15 }),
  }),
  { maxLength: 16 },
)

test('entries come back as they were', t => {
  t.deepEqual(decodeEntries(undefined), [])
  const property = fc.property(entryLists, entries => {
    t.deepEqual(decodeEntries(encodeEntries(entries)), entries)
  })
  fc.assert(property, { numRuns: 200 })
  const entry = { name: Buffer.from('ab'), ino: 16, type: 0o100000, place: 3 }
  t.is(Buffer.from(encodeEntries([entry])).toString('hex'), '030200800000000000003040' + '6162')
})

test('entries that are cut short are refused', t => {
  const entries = [
    { name: Buffer.from('abc'), ino: 16, type: 0o100000, place: 0 },
    { name: Buffer.from('d'), ino: 17, type: 0o100000, place: 1 },
  ]
  const record = encodeEntries(entries)
  for (let length = 1; length < record.length; length++) {
    if (length === 15) continue
    const cut = record.subarray(0, length)
    t.throws(() => decodeEntries(cut), { instanceOf: ClusterError }, `${length} bytes`)
  }
})

test('an entry is found by all of its name', t => {
  const entries = ['a', 'ab', 'A'].map((text, place) => {
    return { name: Buffer.from(text), ino: 16 + place, type: 0o100000, place }
  })
  t.is(findEntry(entries, Buffer.from('ab'))?.ino, 17)
  t.is(findEntry(entries, Buffer.from('b')), undefined)
})

test('the lowest free place is taken, until there is none', t => {
  const at = (place: number): Entry => ({ name: Buffer.from([place]), ino: 1, type: 0, place })
  t.is(freePlace([]), 0)
  t.is(freePlace([at(0), at(2)]), 1)
  const full = Array.from({ length: maxBucketEntries }, (_, place) => at(place))
  const error = t.throws(() => freePlace(full), { instanceOf: PosixError })
  t.is(error?.code, 'ENOSPC')
})

test('a cookie tells its hash, orders as hash and place do, and is a safe integer', t => {
  const places = fc.integer({ min: 0, max: 15 })
  const property = fc.property(hashes, places, hashes, places, (hash, place, hash2, place2) => {
    const cookie = cookieOf(hash, place)
    t.is(hashOfCookie(cookie), hash)
    t.true(Number.isSafeInteger(cookie) && cookie > 0)
    const before = hash < hash2 || (hash === hash2 && place < place2)
    t.is(cookie < cookieOf(hash2, place2), before)
  })
  fc.assert(property, { numRuns: 200 })
})

test('extended attributes come back as they were', t => {
  const names = bytes(255, 1).map(each => Buffer.from(each).toString('latin1'))
  const property = fc.property(
    fc.uniqueArray(names, { maxLength: 8 }),
    bytes(300),
    (all, value) => {
      const xattrs = new Map(all.map(name => [name, Buffer.from(value)]))
      t.deepEqual(decodeXattrs(encodeXattrs(xattrs)), xattrs)
    },
  )
  fc.assert(property, { numRuns: 100 })
  t.is(decodeXattrs(undefined).size, 0)
  const one = encodeXattrs(new Map([['user.a', Uint8Array.of(9)]]))
  t.is(Buffer.from(one).toString('hex'), '0601000000757365722e6109')
  for (let length = 1; length < one.length; length++) {
    t.throws(() => decodeXattrs(one.subarray(0, length)), { instanceOf: ClusterError })
  }
})

const holdings: fc.Arbitrary<Holding> = fc.record({
  ino: fc.constant(makeIno(1, 16)),
  mode: fc.integer({ min: 0, max: 0o177777 }),
  gid: u32,
  blockBytes: u32,
  inlineBytes: u32,
  volume: inos,
  defaultAcl: bytes(40).map(each => Buffer.from(each)),
  change: numbers,
  mtimeNs: timesNs,
  ctimeNs: timesNs,
  subdirectories: numbers,
  shards: fc
    .uniqueArray(fc.integer({ min: 0, max: shardSlots - 1 }), { maxLength: 10 })
    .map(firsts => {
      const sorted = firsts.sort((a, b) => a - b)
      return sorted.map((first, index) => ({
        first,
        end: sorted[index + 1] ?? shardSlots,
        entries: first,
      }))
    }),
})

test('what is held of a split directory comes back as it was', t => {
  const property = fc.property(holdings, holding => {
    t.deepEqual(decodeHolding(holding.ino, encodeHolding(holding)), holding)
  })
  fc.assert(property, { numRuns: 200 })
})

test('a record of held shards that is none is refused', t => {
  const record = encodeHolding(fc.sample(holdings, { numRuns: 1, seed: 5 })[0]!)
  t.throws(() => decodeHolding(16, record.subarray(0, 20)), { code: 'MALFORMED' })
  t.throws(() => decodeHolding(16, new Uint8Array(0)), { code: 'MALFORMED' })
  t.throws(() => decodeHolding(16, Buffer.concat([Buffer.from([9]), record.subarray(1)])), {
    code: 'NEWER_FORMAT',
  })
  const overlap = encodeHolding({
    ...decodeHolding(16, record),
    shards: [
      { first: 0, end: 9, entries: 0 },
      { first: 8, end: 10, entries: 0 },
    ],
  })
  t.throws(() => decodeHolding(16, overlap), { code: 'MALFORMED' })
})
