import test from 'ava'
import fc from 'fast-check'
import { lockTurnMs, maxLocksOfClient } from '../../network/limits.ts'
import {
  type HeldRange,
  type LockType,
  lastLockByte,
  lockType,
} from '../../network/locks/ranges.ts'
import { LockTable, type Owner, type Waiting } from './lock-table.ts'

const ino = 7
const { read, write, unlock } = lockType

function owner(number: number, client = 'a', flock = false): Owner {
  return { client, flock, owner: BigInt(number) }
}

function change(type: LockType, start = 0, end = Number.POSITIVE_INFINITY) {
  const last = end === Number.POSITIVE_INFINITY ? lastLockByte : BigInt(end)
  return { type, start: BigInt(start), end: last, pid: 1 }
}

function setUp() {
  const granted: number[] = []
  let frozen = false
  let nowMs = 0
  const table = new LockTable({
    monotonicMs: () => nowMs,
    granted: ({ id }: Waiting) => granted.push(id),
    isFrozen: () => frozen,
  })
  const freeze = (value: boolean) => {
    frozen = value
  }
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { table, granted, freeze, pass }
}

test('waits are granted in their order, readers together, and nobody holds what conflicts', t => {
  const { table, granted } = setUp()
  t.is(table.set(ino, owner(1), change(write), 0), 'done')
  t.is(table.set(ino, owner(2), change(read), 1), 'waits')
  t.is(table.set(ino, owner(3), change(write), 2), 'waits')
  t.is(table.set(ino, owner(4), change(read), 3), 'waits')
  t.is(table.set(ino, owner(5), change(read), 0), 'refused')
  table.set(ino, owner(1), change(unlock), 0)
  t.deepEqual(granted, [1, 3])
  table.set(ino, owner(2), change(unlock), 0)
  table.set(ino, owner(4), change(unlock), 0)
  t.deepEqual(granted, [1, 3, 2])
  table.set(ino, owner(3), change(unlock), 0)
  t.is(table.size, 0)
})

test('a downgrade lets readers in, an upgrade waits for them', t => {
  const { table, granted } = setUp()
  table.set(ino, owner(1), change(write), 0)
  table.set(ino, owner(2), change(read), 1)
  table.set(ino, owner(1), change(read), 0)
  t.deepEqual(granted, [1])
  t.is(table.set(ino, owner(1), change(write), 2), 'waits')
  t.is(table.ranges(ino, owner(1))[0]?.exclusive, false)
  table.set(ino, owner(2), change(unlock), 0)
  t.deepEqual(granted, [1, 2])
})

test('a flock of another kind gives up the old one first, as flock(2) says', t => {
  const { table, granted } = setUp()
  const [one, other] = [owner(1, 'a', true), owner(2, 'b', true)]
  table.set(ino, one, change(read), 0)
  table.set(ino, other, change(read), 0)
  t.is(table.set(ino, owner(3, 'a', true), change(write), 1), 'waits')
  t.is(table.set(ino, one, change(write), 0), 'refused')
  t.deepEqual(table.ranges(ino, one), [])
  table.set(ino, other, change(unlock), 0)
  t.deepEqual(granted, [1])
})

test('a circle of waits is EDEADLK, also through several owners and files; a line is none', t => {
  const { table } = setUp()
  for (const each of [1, 2, 3]) table.set(each, owner(each, `${each}`), change(write), 0)
  t.is(table.set(2, owner(1, '1'), change(write), 1), 'waits')
  t.is(table.set(3, owner(2, '2'), change(read), 1), 'waits')
  t.is(table.set(3, owner(4, '4'), change(read), 1), 'waits')
  t.throws(() => table.set(1, owner(3, '3'), change(write), 1), { code: 'EDEADLK' })
  t.is(table.set(1, owner(3, '3'), change(read, 0, 5), 0), 'refused')
  table.releaseClient('1')
  t.is(table.set(1, owner(3, '3'), change(write), 1), 'done')
})

test('a wait that is cancelled is never granted, and one that was granted is not cancelled', t => {
  const { table, granted } = setUp()
  table.set(ino, owner(1), change(write), 0)
  table.set(ino, owner(2), change(write), 1)
  t.is(table.set(ino, owner(2), change(write), 1), 'waits')
  t.true(table.cancel('a', 1))
  t.false(table.cancel('a', 1))
  table.set(ino, owner(1), change(unlock), 0)
  t.deepEqual(granted, [])
  t.is(table.size, 0)
  table.set(ino, owner(1), change(write), 0)
  table.set(ino, owner(2), change(write), 2)
  table.set(ino, owner(1), change(unlock), 0)
  t.false(table.cancel('a', 2))
  t.deepEqual(granted, [2])
})

test('a client that goes takes its locks and waits with it, and lets others on', t => {
  const { table, granted } = setUp()
  table.set(ino, owner(1, 'a'), change(write), 0)
  table.set(ino, owner(2, 'a'), change(write), 1)
  table.set(ino, owner(1, 'b'), change(write), 2)
  table.releaseClient('a')
  t.deepEqual(granted, [2])
  t.is(table.set(ino, owner(1, 'a'), change(write), 0), 'refused')
})

test('while frozen nothing is granted, what is unlocked is, and waits go on when it thaws', t => {
  const { table, granted, freeze } = setUp()
  freeze(true)
  t.is(table.set(ino, owner(1), change(write), 0), 'refused')
  t.is(table.set(ino, owner(1), change(write), 1), 'waits')
  t.true(table.restore(ino, owner(2, 'b'), [{ start: 5n, end: 9n, exclusive: true, pid: 1 }]))
  t.false(table.restore(ino, owner(3, 'c'), [{ start: 9n, end: 9n, exclusive: false, pid: 1 }]))
  t.is(table.set(ino, owner(2, 'b'), change(unlock), 0), 'done')
  t.deepEqual(granted, [])
  freeze(false)
  table.thaw(() => true)
  t.deepEqual(granted, [1])
})

test('a flock that cannot be converted while frozen is kept', t => {
  const { table, freeze } = setUp()
  const one = owner(1, 'a', true)
  freeze(true)
  t.true(table.restore(ino, one, [{ start: 0n, end: lastLockByte, exclusive: false, pid: 1 }]))
  t.is(table.set(ino, one, change(write), 0), 'refused')
  t.is(table.ranges(ino, one).length, 1)
  freeze(false)
  t.is(table.set(ino, one, change(write), 0), 'done')
})

test('a client has only so many ranges', t => {
  const { table } = setUp()
  for (let index = 0; index < maxLocksOfClient; index++) {
    table.set(index + 1, owner(1), change(write, 0, 0), 0)
  }
  t.throws(() => table.set(ino, owner(2), change(write, 9, 9), 0), { code: 'ENOLCK' })
  t.is(table.set(ino, owner(1, 'b'), change(write, 9, 9), 0), 'done')
  table.set(1, owner(1), change(unlock), 0)
  t.is(table.set(ino, owner(2), change(write, 10, 10), 0), 'done')
})

const bytes = 12
const anyStep = fc.record({
  who: fc.integer({ min: 0, max: 3 }),
  type: fc.constantFrom(read, write, unlock),
  from: fc.integer({ min: 0, max: bytes - 1 }),
  length: fc.integer({ min: 1, max: bytes }),
  waits: fc.boolean(),
})

/** What each owner has of each byte: ' ', 'r' or 'w'. */
type Model = string[][]

function fits(model: Model, who: number, from: number, to: number, kind: string): boolean {
  return model.every((own, other) => {
    if (other === who) return true
    const part = own.slice(from, to + 1)
    return part.every(byte => byte === ' ' || (byte === 'r' && kind === 'r'))
  })
}

function pictureOf(ranges: readonly HeldRange[]): string {
  return Array.from({ length: bytes }, (_, at) => {
    const range = ranges.find(({ start, end }) => start <= BigInt(at) && BigInt(at) <= end)
    return range === undefined ? ' ' : range.exclusive ? 'w' : 'r'
  }).join('')
}

test('any requests and waits have the outcome of a table that knows each byte', t => {
  const run = (steps: readonly (typeof anyStep extends fc.Arbitrary<infer S> ? S : never)[]) => {
    const model: Model = Array.from({ length: 4 }, () => new Array<string>(bytes).fill(' '))
    const apply = (who: number, from: number, to: number, kind: string) =>
      model[who]!.fill(kind, from, to + 1)
    const byId = new Map<number, () => boolean>()
    let sound = true
    const table = new LockTable({
      monotonicMs: () => 0,
      granted: ({ id }) => {
        sound &&= byId.get(id)!()
        byId.delete(id)
      },
      isFrozen: () => false,
    })
    steps.forEach(({ who, type, from, length, waits }, index) => {
      const to = Math.min(bytes - 1, from + length - 1)
      const kind = type === unlock ? ' ' : type === read ? 'r' : 'w'
      const free = type === unlock || fits(model, who, from, to, kind)
      if (free) apply(who, from, to, kind)
      const id = waits && type !== unlock ? index + 1 : 0
      const grant = () => {
        const fit = fits(model, who, from, to, kind)
        apply(who, from, to, kind)
        return fit
      }
      if (!free && id > 0) byId.set(id, grant)
      let outcome = 'deadlock'
      try {
        outcome = table.set(ino, owner(who), change(type, from, to), id)
      } catch {
        byId.delete(id)
      }
      if (free) sound &&= outcome === 'done'
      else sound &&= outcome === 'deadlock' ? id > 0 : outcome === (id > 0 ? 'waits' : 'refused')
      for (const [number, own] of model.entries()) {
        sound &&= pictureOf(table.ranges(ino, owner(number))) === own.join('')
      }
    })
    return sound
  }
  t.notThrows(() => fc.assert(fc.property(fc.array(anyStep, { maxLength: 40 }), run)))
})

test('of a mapped file one client at a time has exclusive locks, whichever bytes they are for', t => {
  const { table, granted } = setUp()
  const [here, alsoHere, there] = [owner(1, 'a'), owner(2, 'a'), owner(3, 'b')]
  t.is(table.set(ino, there, change(read, 0, 0), 0, true), 'done')
  t.is(table.set(ino, here, change(write, 10, 10), 0, true), 'done')
  t.is(table.set(ino, alsoHere, change(write, 20, 20), 0), 'done')
  for (const type of [read, write]) t.is(table.set(ino, there, change(type, 30, 30), 0), 'refused')
  t.is(table.set(ino, there, change(read, 0, 0), 0), 'done', 'what it has')
  t.is(
    table.set(ino, { ...there, flock: true }, change(write), 0),
    'done',
    'flock is another matter',
  )
  const wanted = { start: 30n, end: 30n, exclusive: true, pid: 1 }
  t.is(table.test(ino, there, wanted), null, 'F_GETLK tells of locks on these bytes')
  t.is(table.set(ino, there, change(write, 30, 30), 5), 'waits')
  table.set(ino, here, change(unlock), 0)
  t.deepEqual(granted, [])
  table.set(ino, alsoHere, change(read, 20, 20), 0)
  t.deepEqual(granted, [5])
  t.is(table.set(ino, here, change(read, 10, 10), 0), 'refused')
})

test('who was turned away from a mapped file is next, however many take turns on another mount', t => {
  const { table, pass } = setUp()
  const [here, alsoHere, there] = [owner(1, 'a'), owner(2, 'a'), owner(3, 'b')]
  const ask = (who: Owner, at: number, type: LockType = write) =>
    table.set(ino, who, change(type, at, at), 0)
  table.set(ino, here, change(write, 10, 10), 0, true)
  t.is(ask(there, 30, read), 'refused')
  t.is(ask(alsoHere, 20), 'refused', 'would begin')
  t.is(ask(alsoHere, 40, read), 'done', 'is in nobody’s way')
  t.is(ask(here, 11), 'done', 'goes on')
  pass(lockTurnMs - 1)
  t.is(ask(there, 30), 'refused')
  table.set(ino, here, change(unlock), 0)
  pass(lockTurnMs - 1)
  t.is(ask(here, 10), 'refused')
  t.is(ask(there, 30), 'done')
  t.is(ask(here, 10), 'refused')
  table.set(ino, there, change(unlock), 0)
  t.is(ask(there, 30), 'refused', 'it is the turn of the others')
  t.is(ask(alsoHere, 20), 'done')
  t.is(ask(there, 30), 'refused')
  table.set(ino, alsoHere, change(unlock), 0)
  pass(lockTurnMs)
  t.is(ask(here, 10), 'done', 'the other has given up')
})

test('two clients that had exclusive locks before a file was known to be mapped keep and lower them', t => {
  const { table } = setUp()
  const [here, there] = [owner(1, 'a'), owner(2, 'b')]
  table.set(ino, here, change(write, 10, 10), 0)
  table.set(ino, there, change(write, 20, 20), 0)
  table.setMapped(ino)
  t.is(table.set(ino, here, change(read, 10, 10), 0), 'done')
  t.is(table.set(ino, there, change(write, 20, 20), 0), 'done')
  t.is(table.set(ino, here, change(write, 10, 10), 0), 'refused')
  t.is(table.set(ino, there, change(unlock), 0, true), 'done')
  t.is(table.set(ino, here, change(write, 10, 10), 0), 'done')
  table.set(ino, here, change(unlock), 0, true)
  t.is(table.size, 0)
})
