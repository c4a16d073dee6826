import test from 'ava'
import {
  firstListedBytes,
  listedRecentlyMs,
  lookAheadCredit,
  lookAheadMisses,
  lookAheadPerUse,
  maxListedDirectories,
  readdirLimitBytes,
} from '../../network/limits.ts'
import { type AheadBatch, ListedDirectories } from './listed-directories.ts'

const directory = 7
const perBatch = 100

function listedOnce(): ListedDirectories {
  const listed = new ListedDirectories()
  listed.listed(directory, true, 0)
  return listed
}

function missEnough(listed: ListedDirectories): void {
  for (let count = 0; count < lookAheadMisses; count++) listed.missed(directory)
}

/** Names have cookies 16, 32, … */
function after(cookie: number, names: number): number {
  return cookie + 16 * names
}

test('a directory whose names were not listed is left alone', t => {
  const listed = new ListedDirectories()
  missEnough(listed)
  t.is(listed.begin(directory, 15, 0), null)
})

test('some names have to be asked for first, and one batch is on its way at a time', t => {
  const listed = listedOnce()
  for (let count = 0; count < lookAheadMisses; count++) {
    t.is(listed.begin(directory, 15, 0), null)
    listed.missed(directory)
  }
  const batch: AheadBatch = { cookie: 15, limitBytes: firstListedBytes, hasName: true }
  t.deepEqual(listed.begin(directory, 15, 0), batch)
  missEnough(listed)
  t.is(listed.begin(directory, 31, 0), null)
})

test('who uses what was fetched is given more and more, at once', t => {
  const listed = listedOnce()
  missEnough(listed)
  let cookie = 15
  let batch = listed.begin(directory, cookie, 0)
  const limits: (number | undefined)[] = []
  for (let count = 0; count < 6; count++) {
    t.is(batch?.cookie, cookie)
    limits.push(batch?.limitBytes)
    cookie = after(cookie, perBatch)
    listed.fetched(directory, { names: perBatch, next: cookie, end: false }, 0)
    for (let uses = 0; uses < perBatch; uses++) listed.used(directory)
    batch = listed.begin(directory, cookie, 0)
  }
  const powers = [1, 2, 4, 8, 8, 8].map(times =>
    Math.min(readdirLimitBytes, times * firstListedBytes),
  )
  t.deepEqual(limits, powers)
})

test('who looks up names in another order is given all of them, once', t => {
  const listed = listedOnce()
  const all = 450
  const end = 16 * all
  const got = new Set<number>()
  let fetches = 0
  for (let turn = 0; turn < 1000; turn++) {
    missEnough(listed)
    const batch = listed.begin(directory, 16 * 200 - 1, 0)
    if (batch === null) break
    if (fetches > 0 && batch.hasName) break
    t.true(batch.cookie > 0, 'from the start would be a read of the directory')
    const first = Math.ceil(batch.cookie / 16)
    const names = Math.min(perBatch, all - first)
    for (let index = first; index < first + names; index++) got.add(index)
    const next = 16 * (first + names)
    listed.fetched(directory, { names, next, end: next === end }, 0)
    fetches++
  }
  t.is(got.size, all - 1, 'cookie 0 is nobody’s')
  t.true(fetches <= all / perBatch + 2, `${fetches} fetches`)
})

test('who looks up a few names of very many wastes a bounded number', t => {
  const listed = listedOnce()
  let fetched = 0
  for (let lookups = 0; lookups < 10_000; lookups++) {
    const batch = listed.begin(directory, 16 * lookups * 1000, 0)
    if (batch !== null) {
      fetched += perBatch
      listed.fetched(directory, { names: perBatch, next: fetched * 16, end: false }, 0)
    }
    listed.missed(directory)
  }
  t.true(fetched <= lookAheadCredit + perBatch, `${fetched} names`)
  const uses = 50
  for (let count = 0; count < uses; count++) listed.used(directory)
  for (let lookups = 0; lookups < 10_000; lookups++) {
    if (listed.begin(directory, 15, 0) !== null) {
      fetched += perBatch
      listed.fetched(directory, { names: perBatch, next: 16, end: false }, 0)
    }
    listed.missed(directory)
  }
  const most = lookAheadCredit + uses * lookAheadPerUse + perBatch
  t.true(fetched <= most, `${fetched} names`)
})

test('what failed, or brought nothing, is not tried without end', t => {
  const listed = listedOnce()
  let tries = 0
  for (let lookups = 0; lookups < 100 * lookAheadCredit; lookups++) {
    listed.missed(directory)
    if (listed.begin(directory, 15, 0) === null) continue
    tries++
    listed.fetched(directory, null, 0)
  }
  t.true(tries <= lookAheadCredit, `${tries} tries`)
})

test('a listing of long ago counts for nothing, and those of others are forgotten', t => {
  const listed = listedOnce()
  missEnough(listed)
  t.is(listed.begin(directory, 15, listedRecentlyMs + 1), null)
  listed.listed(directory, true, 0)
  missEnough(listed)
  for (let other = 100; other < 100 + maxListedDirectories; other++) listed.listed(other, true, 0)
  t.is(listed.begin(directory, 15, 0), null)
})
