import test from 'ava'
import { pageOverheadBytes, readLeaseMs } from '../../network/limits.ts'
import { KeptListings } from './kept-listings.ts'

const boot = { id: 'a' }
const version = { change: 5, boot, viewEpoch: 1 }
const request = { cookie: 0, limitBytes: 4096 }
const pageOf = (bytes: number) => ({
  ...{ records: new Uint8Array(bytes), end: false, next: 99, parent: 1 },
})

function keep(listings: KeptListings, directory: number, bytes: number, cookie = 0): void {
  listings.saw(directory, version, 0)
  listings.keep(directory, version, { ...request, cookie }, pageOf(bytes))
}

test('a page is there for the version of which it was asked, as it was asked for, and for no other', t => {
  const listings = new KeptListings()
  keep(listings, 7, 100)
  t.is(listings.find(7, version, request)?.records.length, 100)
  t.is(listings.find(8, version, request), undefined)
  t.is(listings.find(7, { ...version, change: 6 }, request), undefined)
  t.is(listings.find(7, { ...version, boot: { ...boot } }, request), undefined, 'another boot')
  t.is(listings.find(7, { ...version, viewEpoch: 2 }, request), undefined)
  t.is(listings.find(7, version, { ...request, cookie: 99 }), undefined)
  t.is(listings.find(7, version, { ...request, limitBytes: 1 }), undefined)
})

test('with another version, or when it is old, all that was kept of the directory is forgotten', t => {
  const listings = new KeptListings()
  const later = { ...version, change: 6 }
  keep(listings, 7, 100)
  listings.saw(7, later, 1)
  listings.keep(7, version, request, pageOf(100))
  t.is(listings.find(7, version, request), undefined)
  t.is(listings.find(7, later, request), undefined)
  listings.keep(7, later, request, pageOf(100))
  listings.saw(7, later, readLeaseMs)
  t.not(listings.find(7, later, request), undefined)
  listings.saw(7, later, readLeaseMs + 1)
  t.is(listings.find(7, later, request), undefined)
  listings.forget(7)
  t.is(listings.versionOf(7), undefined)
  t.is(listings.bytes, 0)
})

test('memory is bounded: of one directory, and of all, where those go first that were not listed for longest', t => {
  const listings = new KeptListings(4096, 2000)
  keep(listings, 1, 1000)
  keep(listings, 1, 1000, 99)
  t.is(listings.find(1, version, { ...request, cookie: 99 }), undefined, 'beyond its bound')
  t.is(listings.bytes, 1000 + 2 * pageOverheadBytes)
  keep(listings, 1, 900)
  t.is(listings.bytes, 900 + 2 * pageOverheadBytes, 'in place of the other')
  keep(listings, 1, 1000)
  keep(listings, 2, 1000)
  t.not(listings.find(1, version, request), undefined)
  keep(listings, 3, 900)
  t.true(listings.bytes <= 4096)
  t.deepEqual(
    [1, 2, 3].map(directory => listings.versionOf(directory) !== undefined),
    [true, false, true],
  )
  for (let directory = 10; directory < 100; directory++) listings.saw(directory, version, 0)
  t.true(listings.bytes <= 4096)
})

test('what is kept is no small part of what was received with it', t => {
  const listings = new KeptListings()
  listings.saw(7, version, 0)
  const records = new Uint8Array(65_536).subarray(10, 20).fill(3)
  listings.keep(7, version, request, { ...pageOf(0), records })
  const kept = listings.find(7, version, request)?.records
  t.deepEqual(kept && [kept.buffer.byteLength, ...kept], [10, ...records])
})
