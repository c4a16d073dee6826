import test from 'ava'
import fc from 'fast-check'
import { maxBucketEntries, maxSortedNames } from '../../network/limits.ts'
import { entriesOfRecords } from '../../network/wire/directory-records.ts'
import { MadeNames } from './made-names.ts'

const type = 0o100000
const nameOf = (hash: number) => Buffer.from(`${hash}`.padStart((hash % 40) + 1, 'x'))

/** All pages, one behind the other. */
function listed(names: MadeNames, limitBytes: number): string[] {
  const found: string[] = []
  for (let [cookie, end] = [0, false]; !end; ) {
    const page = names.page({ cookie, limitBytes })!
    for (const entry of entriesOfRecords(page.records)) {
      found.push(`${entry.cookie} ${Buffer.from(entry.name)} ${entry.ino} ${entry.type}`)
    }
    ;({ next: cookie, end } = page)
  }
  return found
}

test('pages of any size have the names that are there, in the order of their hashes', t => {
  const hashes = fc.integer({ min: 1, max: 60 })
  const steps = fc.array(fc.tuple(fc.boolean(), hashes, fc.boolean()), { maxLength: 200 })
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 500 }), (sequence, limitBytes) => {
      const names = new MadeNames()
      const there = new Map<number, number>()
      let ino = 0
      for (const [adds, low, lists] of sequence) {
        const hash = low * 2 ** 42
        if (adds === there.has(hash)) continue
        if (adds) {
          there.set(hash, ++ino)
          names.add(hash, nameOf(hash), { ino, type })
        } else {
          there.delete(hash)
          names.remove(hash)
        }
        if (lists) names.page({ cookie: 0, limitBytes })
      }
      const expected = () =>
        [...there]
          .sort(([a], [b]) => a - b)
          .map(([hash, of]) => `${hash * maxBucketEntries} ${nameOf(hash)} ${of} ${type}`)
      t.deepEqual(listed(names, limitBytes), expected())
      // As `rm -r` does.
      for (const hash of [...there.keys()].slice(there.size / 4)) {
        there.delete(hash)
        names.remove(hash)
      }
      t.deepEqual(listed(names, limitBytes), expected())
    }),
  )
})

test('a page begins behind any cookie, of a name that has gone too', t => {
  const names = new MadeNames()
  for (const hash of [10, 20, 30]) names.add(hash, nameOf(hash), { ino: hash, type })
  names.remove(20)
  const behind = (cookie: number) =>
    entriesOfRecords(names.page({ cookie, limitBytes: 4096 })!.records).map(({ ino }) => ino)
  t.deepEqual(behind(0), [10, 30])
  t.deepEqual(behind(10 * maxBucketEntries - 1), [10, 30])
  t.deepEqual(behind(10 * maxBucketEntries), [30])
  t.deepEqual(behind(20 * maxBucketEntries), [30])
  t.deepEqual(behind(30 * maxBucketEntries), [])
})

for (const [what, act] of Object.entries({
  'two names of one hash': (names: MadeNames) => names.add(7, nameOf(8), { ino: 2, type }),
  'the removal of a name that was not made': (names: MadeNames) => names.remove(9),
})) {
  test(`after ${what} nothing is listed, and what may be there is known`, t => {
    const names = new MadeNames()
    names.add(7, nameOf(7), { ino: 1, type })
    act(names)
    t.false(names.isListable)
    t.is(names.bytes, 0)
    t.is(names.page({ cookie: 0, limitBytes: 4096 }), undefined)
    names.add(11, nameOf(11), { ino: 3, type })
    names.remove(7)
    for (const hash of [7, 11]) t.true(names.has(hash))
    t.false(names.has(12))
  })
}

test('more names than are to be sorted have no records', t => {
  const names = new MadeNames()
  for (let hash = 1; hash <= maxSortedNames; hash++) names.add(hash, nameOf(1), { ino: 1, type })
  t.true(names.isListable)
  names.add(maxSortedNames + 1, nameOf(1), { ino: 1, type })
  t.false(names.isListable)
  t.is(names.bytes, 0)
})

test('records of names that were removed take no more than those that are there', t => {
  const names = new MadeNames()
  for (let hash = 1; hash <= 10_000; hash++) {
    names.add(hash, nameOf(hash), { ino: hash, type })
    if (hash > 10) names.remove(hash - 10)
  }
  t.true(names.bytes < 8192, `${names.bytes}`)
  t.is(listed(names, 4096).length, 10)
})
