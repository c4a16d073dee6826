import test from 'ava'
import { maxBucketEntries, readLeaseMs } from '../../../network/limits.ts'
import { entryHash } from '../../../network/placement/locate.ts'
import { entriesOfRecords, recordsOf } from '../../../network/wire/directory-records.ts'
import { makeIno } from '../../../network/wire/ids.ts'
import { entriesOfListed } from '../../../network/wire/listed-records.ts'
import type { NamedEntry, ReaddirRequest } from '../../../network/wire/operations.ts'
import { xattrFlag } from '../../../network/wire/xattr-names.ts'
import { cookieOf, decodeEntries, encodeEntries } from '../../metadata/entries.ts'
import { entriesKey, inodeKey } from '../../metadata/keys.ts'
import { codeOf, openRoom, type Room, root, rootShard, slot } from '../../testing/room.ts'
import { deleteChild, findChild, putChild } from '../directories.ts'
import { LockedKey } from '../key-locks.ts'
import { parent, readdir } from './directory.ts'
import { readdirplus } from './directory-plus.ts'
import { setxattr } from './xattrs.ts'

const base = { ino: root, cookie: 0, limitBytes: 4_000 }

async function read(room: Room, more: Partial<ReaddirRequest> = {}) {
  const { body, payload } = await readdir(room.partition, { ...base, ...more }, 'me')
  return { ...body, entries: entriesOfRecords(recordsOf(payload)) }
}

function names(entries: readonly NamedEntry[]): string[] {
  return entries.map(({ name }) => Buffer.from(name).toString())
}

async function deleteName(room: Room, name: string): Promise<void> {
  const { batch } = room.partition.contextFor('me')
  deleteChild(batch, rootShard, Buffer.from(name))
  await room.partition.stage(batch)
}

/** The whole directory in steps, doing something between them. */
async function readInSteps(room: Room, between: () => unknown): Promise<string[]> {
  const seen: string[] = []
  for (let cookie = 0; ; ) {
    const { entries, end } = await read(room, { cookie, limitBytes: 60 })
    seen.push(...names(entries))
    if (end) return seen
    cookie = entries.at(-1)!.cookie
    await between()
  }
}

test('a directory is read whole, in the order of its cookies', async t => {
  const room = await openRoom()
  const all = Array.from({ length: 50 }, (_, index) => `file${index}`)
  for (const name of all) room.file(name)
  const { entries, end } = await read(room)
  t.true(end)
  t.deepEqual(names(entries).sort(), [...all].sort())
  const cookies = entries.map(({ cookie }) => cookie)
  t.deepEqual(
    cookies,
    [...cookies].sort((a, b) => a - b),
  )
  t.deepEqual((await readInSteps(room, () => undefined)).sort(), [...all].sort())
})

test('others may come and go between two steps: what stays is seen exactly once', async t => {
  const room = await openRoom()
  const all = Array.from({ length: 40 }, (_, index) => `file${index}`)
  for (const name of all) room.file(name)
  let step = 0
  const seen = await readInSteps(room, async () => {
    room.file(`new${step}`)
    await deleteName(room, `file${step++}`)
  })
  t.true(step > 5)
  for (const name of all.slice(step)) {
    t.is(seen.filter(each => each === name).length, 1, name)
  }
})

test('a reply has at least one entry, however small the limit', async t => {
  const room = await openRoom()
  room.file('a')
  room.file('b')
  for (const limitBytes of [0, 1, -5, Number.NaN]) {
    const { entries, end } = await read(room, { limitBytes })
    t.is(entries.length, 1)
    t.false(end)
  }
})

test('a reply is bounded whatever limit is asked for', async t => {
  const room = await openRoom()
  const { batch } = room.partition.contextFor('me')
  for (let index = 0; index < 3_000; index++) {
    const name = Buffer.from(`${index}`.padEnd(100, 'x'))
    putChild(batch, rootShard, name, { ino: 100 + index, mode: 0o100644 })
  }
  await room.partition.stage(batch)
  const { entries, end } = await read(room, { limitBytes: Number.POSITIVE_INFINITY })
  t.false(end)
  t.true(entries.length > 500 && entries.length < 1_200)
})

test('attributes come along where the inode is here and nobody holds it', async t => {
  const room = await openRoom()
  const here = room.file('here')
  const held = room.file('held')
  const { batch } = room.partition.contextFor('me')
  putChild(batch, rootShard, Buffer.from('far'), { ino: makeIno(9, 16), mode: 0o100644 })
  await room.partition.stage(batch)
  room.partition.locks.acquire([inodeKey(0, held.ino)], 'transaction')
  const { payload } = await readdirplus(room.partition, base, 'me')
  const entries = entriesOfListed(recordsOf(payload))
  const found = Object.fromEntries(
    entries.map(({ name, attributes }) => [Buffer.from(name).toString(), attributes]),
  )
  t.deepEqual(found, { here, held: null, far: null })
  t.deepEqual(names((await read(room)).entries), names(entries))
})

test('with attributes, a directory is read whole in replies that are bounded whatever is asked for', async t => {
  const room = await openRoom()
  const { batch } = room.partition.contextFor('me')
  const count = 2_000
  for (let index = 0; index < count; index++) {
    putChild(batch, rootShard, Buffer.from(`file${index}`), { ino: 100 + index, mode: 0o100644 })
  }
  await room.partition.stage(batch)
  const limits: readonly (readonly [limitBytes: number, mostEntries: number])[] = [
    ...([
      [0, 1],
      [Number.NaN, 1],
      [1_000, 7],
    ] as const),
    ...([
      [16_384, 110],
      [Number.POSITIVE_INFINITY, 1024],
    ] as const),
  ]
  for (const [limitBytes, most] of limits) {
    const cookies: number[] = []
    for (let [cookie, end] = [0, false]; !end; ) {
      const request = { ...base, cookie, limitBytes }
      const { body, payload } = await readdirplus(room.partition, request, 'me')
      const entries = entriesOfListed(recordsOf(payload))
      t.true(entries.length <= most && (entries.length > 0 || body.end))
      cookies.push(...entries.map(entry => entry.cookie))
      ;({ next: cookie, end } = body)
    }
    t.is(cookies.length, count, `${limitBytes}`)
    t.true(cookies.every((cookie, index) => index === 0 || cookie > cookies[index - 1]!))
  }
})

test('that there are no extended attributes is listed until one is set, also while the server looks for them', async t => {
  const xattrs = { name: Buffer.from('user.a'), value: Buffer.from('1'), flags: 0 }
  const flagsOf = async (room: Room) => {
    const { payload } = await readdirplus(room.partition, base, 'me')
    const [entry] = entriesOfListed(recordsOf(payload))
    return entry?.attributes?.xattrFlags
  }
  const [known, asked, set] = [await openRoom(), await openRoom(), await openRoom()]
  const [one, other, third] = [known.file('f'), asked.file('f'), set.file('f')]
  t.is(await flagsOf(known), xattrFlag.none)
  known.run(setxattr, { ino: one.ino, ...xattrs, ...slot })
  t.is(await flagsOf(known), 0)
  const listing = flagsOf(asked)
  asked.run(setxattr, { ino: other.ino, ...xattrs, ...slot })
  t.is(await listing, 0)
  set.run(setxattr, { ino: third.ino, ...xattrs, ...slot })
  await set.partition.store.settled()
  t.is(await flagsOf(set), 0)
})

test('a name that is changed while its directory is being listed is not leased', async t => {
  const room = await openRoom()
  const peer = { call: () => Promise.reject(new Error('it has nothing to give back')) }
  room.leases.renew('c1', peer, 0)
  const [same, other] = [room.file('same'), room.file('other')]
  await room.partition.store.learnXattrs()
  const listing = readdirplus(room.partition, base, 'c1')
  const { batch } = room.partition.contextFor('me')
  putChild(batch, rootShard, Buffer.from('other'), { ino: 600, mode: 0o100644 })
  const staged = room.partition.stage(batch)
  const { payload } = await listing
  await staged
  const entries = entriesOfListed(recordsOf(payload))
  const leased = Object.fromEntries(entries.map(({ ino, nameMs }) => [ino, nameMs]))
  t.deepEqual(leased, { [same.ino]: readLeaseMs, [other.ino]: 0 })
})

test('names that share a hash are apart, and keep their cookies', async t => {
  const room = await openRoom()
  const name = Buffer.from('real')
  room.file('real')
  const hash = entryHash(name)
  const key = entriesKey(0, root, hash)
  const twin = { name: Buffer.from('twin'), ino: 500, type: 0o100000, place: 3 }
  const bucket = [...decodeEntries(room.partition.store.get(key)), twin]
  await room.partition.stageMutations([{ key, value: encodeEntries(bucket) }])
  const { batch } = room.partition.contextFor('me')
  putChild(batch, rootShard, name, { ino: 600, mode: 0o100644 })
  t.is(findChild(batch, rootShard, name)?.ino, 600)
  t.is(decodeEntries(batch.get(key)).find(entry => entry.ino === 500)?.place, 3)
  await room.partition.stage(batch)
  const { entries } = await read(room)
  t.deepEqual(
    entries.map(entry => entry.cookie),
    [cookieOf(hash, 0), cookieOf(hash, 3)],
  )
  const rest = await read(room, { cookie: cookieOf(hash, 0) })
  t.deepEqual(names(rest.entries), ['twin'])
  await deleteName(room, 'real')
  t.deepEqual(names((await read(room)).entries), ['twin'])
  const full = Array.from({ length: maxBucketEntries }, (_, place) => ({ ...twin, place }))
  const filled = full.map((entry, index) => ({ ...entry, name: Buffer.from([200 + index]) }))
  await room.partition.stageMutations([{ key, value: encodeEntries(filled) }])
  t.is(codeOf(t.throws(() => room.file('real'))), 'ENOSPC')
})

test('a directory that a transaction is about to change is not read', async t => {
  const room = await openRoom()
  room.file('f')
  const key = entriesKey(0, root, entryHash(Buffer.from('g')))
  room.partition.locks.acquire([key], 'transaction')
  await t.throwsAsync(read(room), { instanceOf: LockedKey })
  room.partition.locks.release([key], 'transaction')
  t.is((await read(room)).entries.length, 1)
})

test('only directories are read, and lead up', async t => {
  const room = await openRoom()
  const { ino } = room.file('f')
  t.is(codeOf(await t.throwsAsync(read(room, { ino }))), 'ENOTDIR')
  t.is(codeOf(await t.throwsAsync(read(room, { ino: 99 }))), 'ENOENT')
  t.is(room.run(parent, { ino: root, transaction: 't' }).body.parent, 0)
  t.is(codeOf(t.throws(() => room.run(parent, { ino, transaction: 't' }))), 'ENOTDIR')
})
