import test from 'ava'
import { PosixError } from '../../network/errors.ts'
import { maxListedAheadBytes } from '../../network/limits.ts'
import {
  DirectoryRecords,
  directoryRecordBytes,
  entriesOfRecords,
} from '../../network/wire/directory-records.ts'
import type { FileSystem, NamesPage } from '../fs/contract.ts'
import { Listing } from './listing.ts'

const perPage = 10
const nameBytes = 40
const recordBytes = directoryRecordBytes(nameBytes)

function nameOf(cookie: number): string {
  return `${cookie}`.padEnd(nameBytes, 'x')
}

/** A directory of names with cookies 16, 26, …; pages go on behind a cookie that is no name's. */
class Directory implements Pick<FileSystem, 'readdir'> {
  readonly asked: number[] = []
  readonly removed = new Set<number>()
  readonly #count: number
  readonly #perPage: number
  failWith: Error | null = null

  constructor(count: number, ofOnePage = perPage) {
    this.#count = count
    this.#perPage = ofOnePage
  }

  async readdir(_ino: number, cookie: number): Promise<NamesPage> {
    this.asked.push(cookie)
    await turns(1)
    if (this.failWith !== null) throw this.failWith
    const records = new DirectoryRecords(1)
    const first = Math.ceil((cookie + 1 - 16) / 10)
    const end = Math.min(this.#count, Math.max(0, first) + this.#perPage)
    for (let index = Math.max(0, first); index < end; index++) {
      const at = 16 + 10 * index
      const entry = { name: Buffer.from(nameOf(at)), ino: at, type: 0o100000, cookie: at }
      if (!this.removed.has(at)) records.add(entry)
    }
    return {
      records: records.bytes(),
      end: end === this.#count,
      next: 16 + 10 * end - 5,
      parent: 7,
    }
  }

  all(): number[] {
    return Array.from({ length: this.#count }, (_, index) => 16 + 10 * index)
  }
}

/** A page takes one. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

async function read(listing: Listing, cookie: number, names: number): Promise<number[]> {
  const pieces = await listing.read(cookie, names * recordBytes + 7)
  return entriesOfRecords(Buffer.concat(pieces)).map(entry => entry.cookie)
}

async function readAll(listing: Listing, names: number): Promise<number[]> {
  const seen: number[] = []
  for (let cookie = 0; ; cookie = seen.at(-1)!) {
    const found = await read(listing, cookie, names)
    if (found.length === 0) return seen
    seen.push(...found)
  }
}

test('a directory is read whole in portions of any size, each page asked for once', async t => {
  for (const names of [1, 3, 10, 11, 35, 1000]) {
    const directory = new Directory(57)
    const listing = new Listing(directory, 5)
    await listing.rewind(false)
    t.is(listing.parent, 7)
    t.deepEqual(await readAll(listing, names), directory.all(), `${names} at a time`)
    t.deepEqual(directory.asked, [0, 111, 211, 311, 411, 511])
  }
})

test('the next pages are on their way while the kernel goes through the first', async t => {
  const directory = new Directory(1000)
  const listing = new Listing(directory, 5)
  await listing.rewind(false)
  t.deepEqual(directory.asked, [0])
  await read(listing, 0, 5)
  t.deepEqual(directory.asked, [0, 111])
  await turns(100)
  t.true(directory.asked.length > 3)
  listing.close()
  const { length } = directory.asked
  await turns(100)
  t.true(directory.asked.length <= length + 1, 'nothing more is fetched for nobody')
})

test('what is fetched ahead is bounded', async t => {
  const pageNames = 100
  const directory = new Directory(100_000, pageNames)
  const listing = new Listing(directory, 5)
  await listing.rewind(false)
  await read(listing, 0, 1)
  await turns(100)
  const most = maxListedAheadBytes / (pageNames * recordBytes) + 1
  t.true(directory.asked.length <= most + 1, `${directory.asked.length} pages`)
})

test('the kernel may go back, to the middle of a page or far', async t => {
  const directory = new Directory(57)
  const listing = new Listing(directory, 5)
  await listing.rewind(false)
  const all = directory.all()
  for (const index of [12, 3, 50, 49, 51, 0, 56, 20]) {
    t.deepEqual(await read(listing, all[index]!, 4), all.slice(index + 1, index + 5), `${index}`)
  }
})

test('a name that was removed since is a place to go on from all the same', async t => {
  const directory = new Directory(57)
  const listing = new Listing(directory, 5)
  directory.removed.add(116)
  t.deepEqual(await read(listing, 116, 2), [126, 136])
})

test('from the start, it is as the directory is then', async t => {
  const directory = new Directory(57)
  const listing = new Listing(directory, 5)
  await listing.rewind(false)
  await read(listing, 0, 15)
  directory.removed.add(16).add(126)
  await listing.rewind(false)
  const left = directory.all().filter(cookie => cookie !== 16 && cookie !== 126)
  t.deepEqual(await readAll(listing, 15), left)
})

test('two that read at a time get what they ask for', async t => {
  const directory = new Directory(200)
  const listing = new Listing(directory, 5)
  await listing.rewind(false)
  const all = directory.all()
  const found = await Promise.all([100, 20, 100, 180].map(index => read(listing, all[index]!, 3)))
  t.deepEqual(
    found,
    [100, 20, 100, 180].map(index => all.slice(index + 1, index + 4)),
  )
})

test('an error is told when the page is wanted, and it is asked for anew', async t => {
  const directory = new Directory(57)
  const listing = new Listing(directory, 5)
  await listing.rewind(false)
  directory.failWith = new PosixError('EIO')
  t.is((await read(listing, 0, 10)).length, 10)
  await turns(100)
  await t.throwsAsync(read(listing, 106, 10), { message: /EIO/ })
  directory.failWith = null
  t.is((await read(listing, 106, 10)).at(0), 116)
})

test('no room for a name is an error, and not the end', async t => {
  const listing = new Listing(new Directory(57), 5)
  await listing.rewind(false)
  await t.throwsAsync(listing.read(0, recordBytes - 1), { message: /EINVAL/ })
})

test('a listing that is closed while it is read ends with an error', async t => {
  const listing = new Listing(new Directory(30), 1)
  await listing.rewind(true)
  const read = listing.read(1000, 4096)
  listing.close()
  await t.throwsAsync(read, { code: 'EBADF' })
})
