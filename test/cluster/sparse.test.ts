/** Space and holes on a cluster in this process: random changes of a file by two clients, against a model. */

import test, { type ExecutionContext } from 'ava'
import type { AllocateMode, FileSystem, OpenFile } from '../../client/fs/contract.ts'
import { chunkBytes } from '../../network/limits.ts'
import { entriesOfRecords } from '../../network/wire/directory-records.ts'
import { bytesOf, chance } from '../posix/bytes.ts'
import { eventually } from './eventually.ts'
import { InProcessCluster } from './in-process.ts'

const longest = 3 * 1024 * 1024
const caller = { uid: 0, gid: 0 }
const pageBytes = 4096

const cluster = await InProcessCluster.start(3)
const clients = [await cluster.openFileSystem(), await cluster.openFileSystem()]
test.after.always(() => cluster[Symbol.asyncDispose]())

interface Opened {
  readonly fs: FileSystem
  file: OpenFile
}

/** One file as two clients have it open, and what it should hold. */
class Run {
  readonly #t: ExecutionContext
  readonly #next: (below: number) => number
  readonly #openings: Opened[]
  #model = Buffer.alloc(0)
  #last = 'creation'

  private constructor(t: ExecutionContext, next: (below: number) => number, openings: Opened[]) {
    this.#t = t
    this.#next = next
    this.#openings = openings
  }

  static async start(t: ExecutionContext, seed: number): Promise<Run> {
    const openings: Opened[] = []
    const how = { exclusive: false, truncate: false }
    for (const fs of clients) {
      const name = Buffer.from(`file-${seed}`)
      const { file } = await fs.create(fs.root, name, 0o100644, caller, how)
      openings.push({ fs, file })
    }
    return new Run(t, chance(seed), openings)
  }

  /** Near the borders of pages, inline data, chunks and blocks more often than elsewhere. */
  #offset(): number {
    const next = this.#next
    const unit = [1, pageBytes, 8192, chunkBytes, 1024 * 1024][next(5)]!
    const near = unit * next(Math.floor(longest / unit))
    return Math.max(0, Math.min(longest - 1, near + (next(3) === 0 ? next(9) - 4 : 0)))
  }

  #range(): { offset: number; length: number } {
    const next = this.#next
    // Small files should stay small for a while.
    const small = this.#model.length < 8192 && next(3) > 0
    const offset = small ? next(8000) : this.#offset()
    const wanted = small
      ? 1 + next(3000)
      : [1 + next(100), 1 + next(9000), chunkBytes, 700_000][next(4)]!
    return { offset, length: Math.min(wanted, longest - offset) }
  }

  async step(): Promise<void> {
    const next = this.#next
    const opened = this.#openings[next(2)]!
    const kind = next(20)
    if (kind < 5) await this.#write(opened, false)
    else if (kind < 6) await this.#write(opened, true)
    else if (kind < 8) await this.#truncate(opened)
    else if (kind < 11) await this.#allocate(opened, 'punch', true)
    else if (kind < 13) await this.#allocate(opened, 'zero', next(2) === 0)
    else if (kind < 15) await this.#allocate(opened, 'allocate', next(2) === 0)
    else if (kind < 17) await this.#seek(opened)
    else if (kind < 18) await this.#copy(opened)
    else if (kind < 19) await this.#reopen(opened)
    else await opened.fs.fsync(opened.file.ino, opened.file)
    await this.#read()
  }

  async #write({ fs, file }: Opened, append: boolean): Promise<void> {
    const { offset: wanted, length } = this.#range()
    const offset = append ? this.#model.length : wanted
    if (offset + length > longest) return
    this.#did(`${append ? 'append' : 'write'} ${length} at ${offset}`)
    const data = Buffer.alloc(length, 1 + this.#next(255))
    this.#grow(offset + length)
    data.copy(this.#model, offset)
    await fs.write(file, wanted, data, { append })
  }

  async #truncate({ fs, file }: Opened): Promise<void> {
    const size = this.#next(4) === 0 ? 0 : this.#range().offset
    this.#did(`truncate to ${size}`)
    this.#grow(size)
    this.#model = this.#model.subarray(0, size)
    await fs.setattr(file.ino, { size })
  }

  async #allocate({ fs, file }: Opened, mode: AllocateMode, keepSize: boolean): Promise<void> {
    const { offset, length } = this.#range()
    this.#did(`${mode} ${length} at ${offset}${keepSize ? '' : ', growing'}`)
    if (!keepSize) this.#grow(offset + length)
    // A client that looks first knows what others have done: it must not depend on that.
    const before = mode === 'allocate' ? await fs.getattr(file.ino) : null
    if (mode !== 'allocate') this.#model.subarray(offset, offset + length).fill(0)
    await fs.allocate(file, mode, offset, length, { keepSize })
    const after = await fs.getattr(file.ino)
    if (mode === 'allocate') this.#t.true(after.allocated >= before!.allocated, this.#last)
    if (mode === 'allocate') this.#t.true(after.allocated >= length, this.#last)
    if (mode !== 'punch') return
    const from = Math.ceil(offset / chunkBytes) * chunkBytes
    if (from + chunkBytes > offset + length || from >= after.size || after.reach === 0) return
    this.#t.is(await fs.seek(file, 'hole', from), from, `${this.#last}: a hole at ${from}`)
  }

  async #copy({ fs, file }: Opened): Promise<void> {
    const from = this.#offset()
    const { offset: to, length: wanted } = this.#range()
    const length = Math.min(wanted, this.#model.length - from)
    if (length <= 0 || (from < to + length && to < from + length)) return
    this.#did(`copy ${length} from ${from} to ${to}`)
    const copied = await fs.copyRange(file, file, { from, to, length: wanted }, {})
    this.#t.is(copied, length, this.#last)
    this.#grow(to + length)
    this.#model.copy(this.#model, to, from, from + length)
  }

  async #seek({ fs, file }: Opened): Promise<void> {
    const offset = this.#offset()
    this.#did(`seek from ${offset}`)
    const model = this.#model
    const data = await fs.seek(file, 'data', offset).catch(enxio)
    const hole = await fs.seek(file, 'hole', offset).catch(enxio)
    const isZero = (from: number, to: number) => model.subarray(from, to).every(byte => byte === 0)
    this.#t.true(data === null || (data >= offset && data < model.length), `${this.#last}: ${data}`)
    this.#t.true(isZero(offset, data ?? model.length), `${this.#last}: data before ${data}`)
    this.#t.is(hole === null, offset >= model.length, this.#last)
    if (hole === null) return
    this.#t.true(hole >= offset && hole <= model.length, `${this.#last}: ${hole}`)
    const end = (Math.floor(hole / pageBytes) + 1) * pageBytes
    this.#t.true(isZero(hole, end), `${this.#last}: data in the hole at ${hole}`)
  }

  async #reopen(opened: Opened): Promise<void> {
    this.#did('reopen')
    const { fs, file } = opened
    opened.file = await fs.open(file.ino, { truncate: false })
    fs.release(file)
  }

  async #read(): Promise<void> {
    for (const { fs, file } of this.#openings) {
      const { size } = await fs.getattr(file.ino)
      this.#t.is(size, this.#model.length, `size after ${this.#last}`)
      const found = Buffer.concat(await fs.read(file, 0, longest))
      if (!found.equals(this.#model)) this.#t.fail(`wrong bytes after ${this.#last}`)
    }
  }

  #grow(size: number): void {
    if (size <= this.#model.length) return
    this.#model = Buffer.concat([this.#model, Buffer.alloc(size - this.#model.length)])
  }

  #did(what: string): void {
    this.#last = what
  }

  /** What the inode says is what the data disks hold, once what is gone is purged. */
  async space(): Promise<void> {
    const { fs, file } = this.#openings[0]!
    const { allocated, reach } = await fs.getattr(file.ino)
    await eventually('the space that the inode tells of is what is used', async () => {
      const { totalBytes, freeBytes } = await fs.statfs()
      return totalBytes - freeBytes === (reach === 0 ? 0 : allocated)
    })
  }

  async end(): Promise<void> {
    for (const { fs, file } of this.#openings) fs.release(file)
    const { fs, file } = this.#openings[0]!
    const { records } = await fs.readdir(fs.root, 0, { limitBytes: 1e6 })
    const name = entriesOfRecords(records).find(entry => entry.ino === file.ino)
    await fs.unlink(fs.root, name!.name)
  }
}

function enxio(error: unknown): null {
  if (error instanceof Error && 'code' in error && error.code === 'ENXIO') return null
  throw error
}

test.serial(
  'random changes of a file by two clients agree with a model, and its space is counted',
  async t => {
    const first = Number(process.env.SPARSE_SEED ?? Date.now() % 2 ** 31)
    for (let seed = first; seed < first + 3; seed++) {
      t.log(`SPARSE_SEED=${seed}`)
      const run = await Run.start(t, seed)
      for (let step = 0; step < 100; step++) await run.step()
      await run.space()
      await run.end()
    }
  },
)

/** A lane changes its own stripes of the file, and knows what they hold. */
async function changeStripes(t: ExecutionContext, lane: number, seed: number, name: string) {
  const next = chance(seed + lane)
  const fs = clients[lane % clients.length]!
  const { file } = await fs.create(fs.root, Buffer.from(name), 0o100644, caller, {
    exclusive: false,
    truncate: false,
  })
  const model = new Map<number, number>()
  for (let step = 0; step < 60; step++) {
    const stripe = lane + lanes * next(stripes)
    const at = stripe * stripeBytes
    const kind = next(6)
    const value = kind < 3 ? 1 + next(255) : 0
    if (kind < 3) await fs.write(file, at, Buffer.alloc(stripeBytes, value), {})
    else if (kind < 5) await fs.allocate(file, 'punch', at, stripeBytes, { keepSize: true })
    else await fs.allocate(file, 'zero', at, stripeBytes, { keepSize: true })
    model.set(stripe, value)
    const some = [...model.keys()][next(model.size)]!
    const found = Buffer.concat(await fs.read(file, some * stripeBytes, stripeBytes))
    const expected = Buffer.alloc(found.length, model.get(some))
    if (!found.equals(expected)) t.fail(`seed ${seed}, lane ${lane}, step ${step}: stripe ${some}`)
  }
  fs.release(file)
}

/** Stripes share pages, chunks and blocks. */
const stripeBytes = 30_001
const stripes = 12
const lanes = 6

test.serial('who punches and zeroes its own part leaves the parts of others alone', async t => {
  const seed = Number(process.env.SPARSE_SEED ?? Date.now() % 2 ** 31)
  t.log(`SPARSE_SEED=${seed}`)
  const [fs] = clients as [FileSystem]
  const name = `stripes-${seed}`
  const how = { exclusive: true, truncate: false }
  const { file } = await fs.create(fs.root, Buffer.from(name), 0o100644, caller, how)
  await fs.setattr(file.ino, { size: lanes * stripes * stripeBytes })
  const changing = Array.from({ length: lanes }, (_, lane) => changeStripes(t, lane, seed, name))
  await Promise.all(changing)
  const { allocated } = await fs.getattr(file.ino)
  await fs.allocate(file, 'punch', 0, 2 ** 40, { keepSize: true })
  t.true(allocated > 0)
  t.is((await fs.getattr(file.ino)).allocated, 0, 'every change was counted once')
  t.true(Buffer.concat(await fs.read(file, 0, 2 ** 24)).every(byte => byte === 0))
  fs.release(file)
})

test.serial(
  'a client that has not looked since punches what another has written meanwhile',
  async t => {
    const [here, there] = clients as [FileSystem, FileSystem]
    const how = { exclusive: false, truncate: false }
    for (const length of [100, 2 ** 20, 3 * 2 ** 20]) {
      const name = Buffer.from(`grown-${length}`)
      const { file } = await here.create(here.root, name, 0o100644, caller, how)
      await here.write(file, 0, Buffer.alloc(length, 1), {})
      const other = (await there.create(there.root, name, 0o100644, caller, how)).file
      await there.write(other, length, Buffer.alloc(100 * 2 ** 20, 2), {})
      await here.allocate(file, 'punch', 50 * 2 ** 20, 10 * 2 ** 20, { keepSize: true })
      const found = Buffer.concat(await there.read(other, 49 * 2 ** 20, 12 * 2 ** 20))
      const expected = Buffer.alloc(12 * 2 ** 20, 2).fill(0, 2 ** 20, 11 * 2 ** 20)
      t.true(found.equals(expected), `${length}`)
      await there.setattr(other.ino, { size: 0 })
      await there.write(other, 0, Buffer.alloc(10, 3), {})
      await here.allocate(file, 'punch', 3, 2 ** 40, { keepSize: true })
      t.is(
        Buffer.concat(await there.read(other, 0, 100)).toString('hex'),
        `030303${'00'.repeat(7)}`,
      )
      here.release(file)
      there.release(other)
    }
  },
)

test.serial('a library’s copy of a file takes no space for holes', async t => {
  const connection = await cluster.connect()
  const source = await connection.open('/holes', 'w')
  await source.write(Buffer.alloc(1000, 1), 0, 1000, 500 * 2 ** 20)
  await source.truncate(2 ** 30)
  await source.close()
  await connection.copyFile('/holes', '/copy')
  const [from, to] = [await connection.stat('/holes'), await connection.stat('/copy')]
  t.is(to.size, 2 ** 30)
  // A run of chunks that has data is copied with what lies before it in its chunk.
  t.true(to.blocks <= from.blocks + chunkBytes / 512, `${to.blocks}`)
  const copy = await connection.open('/copy', 'r')
  const { buffer } = await copy.read(Buffer.alloc(1001), 0, 1001, 500 * 2 ** 20)
  t.deepEqual(buffer, Buffer.concat([Buffer.alloc(1000, 1), Buffer.alloc(1)]))
  await copy.close()
})

test.serial('more space than there is cannot be allocated, and takes none', async t => {
  const [fs] = clients as [FileSystem]
  const how = { exclusive: true, truncate: false }
  const { file } = await fs.create(fs.root, Buffer.from('vast'), 0o100644, caller, how)
  const options = { keepSize: false }
  const { availableBytes } = await fs.statfs()
  const refused = fs.allocate(file, 'allocate', 0, availableBytes + 1024 * chunkBytes, options)
  await t.throwsAsync(refused, { code: 'ENOSPC' })
  t.like(await fs.getattr(file.ino), { size: 0, allocated: 0 })
  await t.throwsAsync(fs.allocate(file, 'punch', 0, 0, options), { code: 'EINVAL' })
  await t.throwsAsync(fs.allocate(file, 'zero', -1, 10, options), { code: 'EINVAL' })
  await t.throwsAsync(fs.allocate(file, 'zero', 1, 2 ** 53 - 1, options), { code: 'EFBIG' })
  await t.throwsAsync(fs.seek(file, 'hole', 0), { code: 'ENXIO' })
  fs.release(file)
})

test.serial('in a vast hole the data is found at once, and hole after hole', async t => {
  const [fs] = clients as [FileSystem]
  const how = { exclusive: true, truncate: false }
  const { file } = await fs.create(fs.root, Buffer.from('islands'), 0o100644, caller, how)
  const islands = [5 * 2 ** 30, 3 * 2 ** 40, 7 * 2 ** 40]
  for (const at of islands) await fs.write(file, at, Buffer.alloc(10, 1), {})
  let at = 0
  for (const island of islands) {
    t.is(await fs.seek(file, 'data', at), island)
    at = await fs.seek(file, 'hole', island)
    t.true(at > island && at <= island + pageBytes)
  }
  await t.throwsAsync(fs.seek(file, 'data', at), { code: 'ENXIO' })
  t.is((await fs.getattr(file.ino)).allocated, 3 * pageBytes)
  fs.release(file)
})

test.serial(
  'a copy goes from server to server whatever the offsets, and is bounded by the source',
  async t => {
    const [fs] = clients as [FileSystem]
    const how = { exclusive: true, truncate: false }
    const source = (await fs.create(fs.root, Buffer.from('from'), 0o100644, caller, how)).file
    const target = (await fs.create(fs.root, Buffer.from('to'), 0o100644, caller, how)).file
    const content = Buffer.from(bytesOf(1, 3 * 2 ** 20 + 777))
    await fs.write(source, 0, content, {})
    await fs.setattr(source.ino, { size: 8 * 2 ** 20 })
    const expected = Buffer.alloc(10 * 2 ** 20)
    content.copy(expected, 123)
    const range = { from: 0, to: 123, length: 2 ** 40 }
    t.is(await fs.copyRange(source, target, range, {}), 8 * 2 ** 20)
    t.is(
      await fs.copyRange(source, target, { from: 2 ** 20, to: 9 * 2 ** 20, length: 2 ** 20 }, {}),
      2 ** 20,
    )
    content.copy(expected, 9 * 2 ** 20, 2 ** 20, 2 * 2 ** 20)
    t.true(Buffer.concat(await fs.read(target, 0, 2 ** 24)).equals(expected))
    t.is(await fs.copyRange(source, target, { from: 8 * 2 ** 20, to: 0, length: 5 }, {}), 0)
    t.is(await fs.copyRange(source, target, { from: 8 * 2 ** 20 - 2, to: 0, length: 5 }, {}), 2)
    fs.release(source)
    await t.throwsAsync(fs.copyRange(source, target, range, {}), { code: 'EBADF' })
    fs.release(target)
  },
)

test.serial('what was allocated and punched is so after a restart of the servers', async t => {
  const [fs] = clients as [FileSystem]
  const how = { exclusive: true, truncate: false }
  const { file } = await fs.create(fs.root, Buffer.from('lasting'), 0o100644, caller, how)
  await fs.write(file, 0, Buffer.alloc(8 * chunkBytes, 1), {})
  await fs.allocate(file, 'punch', chunkBytes, 2 * chunkBytes, { keepSize: true })
  await fs.allocate(file, 'zero', 4 * chunkBytes, chunkBytes, { keepSize: true })
  await fs.allocate(file, 'allocate', 0, 20 * chunkBytes, { keepSize: true })
  await fs.allocate(file, 'punch', 10 * chunkBytes, 100 * chunkBytes, { keepSize: true })
  const before = await fs.getattr(file.ino)
  t.is(before.allocated, 10 * chunkBytes)
  await fs.fsync(file.ino, file)
  await cluster.restart('first boot')
  t.like(await fs.getattr(file.ino), { size: 8 * chunkBytes, allocated: before.allocated })
  const expected = Buffer.alloc(8 * chunkBytes, 1)
  expected.fill(0, chunkBytes, 3 * chunkBytes).fill(0, 4 * chunkBytes, 5 * chunkBytes)
  t.true(Buffer.concat(await fs.read(file, 0, 10 * chunkBytes)).equals(expected))
  t.is(await fs.seek(file, 'hole', 0), chunkBytes)
  t.is(await fs.seek(file, 'data', chunkBytes), 3 * chunkBytes)
  fs.release(file)
})
