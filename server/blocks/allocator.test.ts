import test from 'ava'
import fc from 'fast-check'
import { SeededRandom } from '../../network/env/xoshiro.ts'
import { Allocator, type Extent } from './allocator.ts'

test('a fresh device is handed out from its lowest address in whole runs', t => {
  const allocator = new Allocator(100_000)
  t.deepEqual(allocator.allocate(256), [{ unit: 0, units: 256 }])
  t.deepEqual(allocator.allocate(1), [{ unit: 256, units: 1 }])
  t.deepEqual(allocator.allocate(2048), [{ unit: 257, units: 2048 }])
  t.is(allocator.freeUnits, 100_000 - 256 - 1 - 2048)
})

test('a run is preferred over a lower address in parts', t => {
  const allocator = new Allocator(10_000)
  const taken = Array.from({ length: 100 }, () => allocator.allocate(8)![0]!)
  for (let index = 0; index < 100; index += 2) allocator.free(taken[index]!)
  t.deepEqual(allocator.allocate(16), [{ unit: 800, units: 16 }])
  t.deepEqual(allocator.allocate(8), [{ unit: 0, units: 8 }])
})

test('the last free unit is found, however they are scattered', t => {
  const allocator = new Allocator(5000)
  const units = Array.from({ length: 5000 }, () => allocator.allocate(1)![0]!)
  t.is(allocator.allocate(1), null)
  for (let index = 0; index < 5000; index += 10) allocator.free(units[index]!)
  t.is(allocator.allocate(501), null)
  const parts = allocator.allocate(500)!
  t.is(parts.length, 500)
  t.is(allocator.freeUnits, 0)
})

test('freeing twice, or outside the device, is a programmer error', t => {
  const allocator = new Allocator(1000)
  const [extent] = allocator.allocate(10)!
  allocator.free(extent!)
  t.throws(() => allocator.free(extent!), { name: 'AssertionError' })
  t.throws(() => allocator.free({ unit: 995, units: 10 }), { name: 'AssertionError' })
})

test('claiming tells how much somebody else has', t => {
  const allocator = new Allocator(20_000)
  t.is(allocator.claim({ unit: 4000, units: 200 }), 200)
  t.is(allocator.claim({ unit: 4100, units: 200 }), 100)
  t.is(allocator.claim({ unit: 4000, units: 300 }), 0)
  t.is(allocator.freeUnits, 20_000 - 300)
})

test('growing adds units at the end, also within a segment', t => {
  const allocator = new Allocator(0)
  t.is(allocator.allocate(1), null)
  allocator.grow(10)
  t.deepEqual(allocator.allocate(10), [{ unit: 0, units: 10 }])
  allocator.grow(5000)
  t.deepEqual(allocator.allocate(4000), [{ unit: 10, units: 4000 }])
  allocator.grow(1_000_000)
  t.is(allocator.freeUnits, 1_000_000 - 4010)
})

test('any sequence of allocating, freeing and growing keeps to a plain set', t => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), count: fc.integer({ min: 1, max: 5000 }) }),
    fc.record({ kind: fc.constant('free' as const), count: fc.nat() }),
    fc.record({ kind: fc.constant('grow' as const), count: fc.integer({ min: 0, max: 9000 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const allocator = new Allocator(3000)
      const used = new Set<number>()
      const held: Extent[] = []
      for (const { kind, count } of steps) {
        if (kind === 'grow') allocator.grow(allocator.units + count)
        else if (kind === 'take') take(allocator, count, used, held)
        else if (held.length > 0) release(allocator, held, count, used)
        if (allocator.freeUnits !== allocator.units - used.size) return false
      }
      return true
    }),
    { numRuns: 100 },
  )
  t.pass()
})

function take(allocator: Allocator, count: number, used: Set<number>, held: Extent[]): void {
  const extents = allocator.allocate(count)
  if (!extents) {
    if (allocator.units - used.size >= count) throw new Error('refused although there is room')
    return
  }
  let total = 0
  for (const extent of extents) {
    for (let unit = extent.unit; unit < extent.unit + extent.units; unit++) {
      if (used.has(unit) || unit >= allocator.units) throw new Error(`unit ${unit} handed out`)
      used.add(unit)
    }
    total += extent.units
    held.push(extent)
  }
  if (total !== count) throw new Error('not what was asked for')
}

function release(allocator: Allocator, held: Extent[], which: number, used: Set<number>): void {
  const [extent] = held.splice(which % held.length, 1)
  allocator.free(extent!)
  for (let unit = extent!.unit; unit < extent!.unit + extent!.units; unit++) used.delete(unit)
}

test('long use of a nearly full 4 TiB device stays contiguous, small and quick', t => {
  const random = new SeededRandom(11)
  const allocator = new Allocator(2 ** 30)
  t.is(allocator.claim({ unit: 0, units: 2 ** 30 - 2 ** 18 }), 2 ** 30 - 2 ** 18)
  const held: Extent[][] = []
  let pieces = 0
  let blocks = 0
  for (let round = 0; round < 60_000; round++) {
    const units = random.integer(4) === 0 ? 1 + random.integer(16) : 256
    if (allocator.freeUnits < 2 ** 16 + units) {
      const [freed] = held.splice(random.integer(held.length), 1)
      for (const extent of freed!) allocator.free(extent)
      continue
    }
    const extents = allocator.allocate(units)!
    if (units === 256) {
      blocks++
      pieces += extents.length
    }
    held.push(extents)
  }
  t.true(pieces / blocks < 1.05, `${pieces / blocks} pieces of a block`)
  for (const extents of held) for (const extent of extents) allocator.free(extent)
  t.is(allocator.freeUnits, 2 ** 18)
})
