import test from 'ava'
import type { KeyMutation } from './metadata/contract.ts'
import { SyncPoint } from './sync-point.ts'

/** Disks that end a sync when they are told to, and write down what was asked of them. */
class Disks {
  readonly asked: string[] = []
  readonly point: SyncPoint
  mostAtOnce = 0
  #mark = 0
  #change = 0
  #waiting: PromiseWithResolvers<void>[] = []

  constructor() {
    const blocks = {
      stagedMark: () => this.#note(`mark ${this.#mark}`, this.#mark),
      sync: async () => {
        const synced = [{ key: 'synced', value: Uint8Array.of(this.#change) }]
        await this.#wait('data')
        return synced
      },
      indexSynced: (mark?: number) => this.#note(`synced ${mark}`, undefined),
    }
    const index = {
      sync: (more: Iterable<KeyMutation> = []) => {
        const told = [...more].map(({ key, value }) => `${key} ${value?.[0]}`)
        return this.#wait(`index, ${told}`)
      },
    }
    this.point = new SyncPoint(blocks, index)
  }

  /** A change is written and staged. */
  change(): void {
    this.#mark++
    this.#change++
    this.point.touched()
  }

  /** Lets what is being waited for end, and comes back when the next thing was asked for. */
  async end(error?: Error): Promise<void> {
    const ended = this.#waiting.shift()
    if (!ended) throw new Error('nothing is being waited for')
    if (error) ended.reject(error)
    else ended.resolve()
    await new Promise(setImmediate)
  }

  async endAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.end()
  }

  #note<T>(what: string, result: T): T {
    this.asked.push(what)
    return result
  }

  #wait(what: string): Promise<void> {
    this.asked.push(what)
    const waiting = Promise.withResolvers<void>()
    this.#waiting.push(waiting)
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#waiting.length)
    return waiting.promise
  }
}

test('data comes before the index, which tells of it, and space after both, as of the mark', async t => {
  const disks = new Disks()
  disks.change()
  const syncing = disks.point.sync()
  t.deepEqual(disks.asked, ['mark 1', 'data'])
  disks.change()
  await disks.end()
  t.deepEqual(disks.asked.slice(2), ['index, synced 1'])
  disks.change()
  await disks.end()
  await syncing
  t.deepEqual(disks.asked.slice(3), ['synced 1'])
})

test('calls during a sync share the next one, which begins when that has ended', async t => {
  const disks = new Disks()
  disks.change()
  const first = disks.point.sync()
  disks.change()
  const later = [disks.point.sync(), disks.point.sync(), disks.point.sync()]
  t.is(disks.asked.length, 2, 'the running one goes on alone')
  let ended = 0
  for (const one of later) void one.then(() => ended++)
  await disks.end()
  await disks.end()
  await first
  t.is(ended, 0)
  t.deepEqual(disks.asked.slice(3), ['synced 1', 'mark 2', 'data'])
  await disks.endAll()
  await Promise.all(later)
  t.deepEqual(disks.asked.slice(6), ['index, synced 2', 'synced 2'])
})

test('never do two syncs run at once, whenever the calls come', async t => {
  const disks = new Disks()
  const calls = [disks.point.sync(), disks.point.sync()]
  for (let round = 0; round < 4; round++) {
    const ending = disks.end()
    for (let tick = 0; tick < 12; tick++) {
      await null
      calls.push(disks.point.sync())
    }
    await ending
  }
  await disks.endAll()
  await Promise.all(calls)
  t.is(disks.mostAtOnce, 1)
})

test('a call during the next sync gets one of its own', async t => {
  const disks = new Disks()
  const first = disks.point.sync()
  const second = disks.point.sync()
  await disks.end()
  await disks.end()
  await first
  const third = disks.point.sync()
  t.not(third, second)
  await disks.endAll()
  await Promise.all([second, third])
  t.is(disks.asked.filter(what => what === 'data').length, 3)
})

test('a failure of the data is told, and neither index nor space go on', async t => {
  const disks = new Disks()
  disks.change()
  const syncing = t.throwsAsync(disks.point.sync(), { message: 'the data disk' })
  await disks.end(new Error('the data disk'))
  await syncing
  t.deepEqual(disks.asked, ['mark 1', 'data'])
})

test('a failure of the index is told, and no space is given back', async t => {
  const disks = new Disks()
  disks.change()
  const syncing = t.throwsAsync(disks.point.sync(), { message: 'the index' })
  await disks.end()
  await disks.end(new Error('the index'))
  await syncing
  t.deepEqual(disks.asked, ['mark 1', 'data', 'index, synced 1'])
})

test('who waits behind a sync that fails gets a sync of its own all the same', async t => {
  const disks = new Disks()
  const first = t.throwsAsync(disks.point.sync(), { message: 'once' })
  const second = disks.point.sync()
  await disks.end(new Error('once'))
  await first
  await disks.endAll()
  await t.notThrowsAsync(second)
})

test('only what was touched since the last sync began is worth another', async t => {
  const disks = new Disks()
  await disks.point.syncIfDirty()
  t.deepEqual(disks.asked, [])
  disks.change()
  const syncing = disks.point.syncIfDirty()
  disks.change()
  await disks.endAll()
  await syncing
  const again = disks.point.syncIfDirty()
  await disks.endAll()
  await again
  await disks.point.syncIfDirty()
  t.is(disks.asked.filter(what => what === 'data').length, 2)
})

test('a sync that failed for one caller is tried again for the server itself', async t => {
  const disks = new Disks()
  disks.change()
  const asked = t.throwsAsync(disks.point.sync(), { message: 'broken' })
  await disks.end(new Error('broken'))
  await asked
  const own = t.throwsAsync(disks.point.syncIfDirty(), { message: 'broken' })
  await disks.end(new Error('broken'))
  await own
})
