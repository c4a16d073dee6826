import test from 'ava'
import fc from 'fast-check'
import { OrderedMap } from './ordered-map.ts'

fc.configureGlobal({ seed: 20_261_129 })

test('it is as a map of which every key that is set again was deleted before', t => {
  const kinds = ['set', 'replace', 'delete', 'deleteFirst'] as const
  const step = fc.tuple(fc.constantFrom(...kinds), fc.nat(8))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const map = new OrderedMap<number, number>()
      const model = new Map<number, number>()
      for (const [index, [kind, key]] of steps.entries()) {
        if (kind === 'set') {
          map.set(key, index)
          model.delete(key)
          model.set(key, index)
        } else if (kind === 'replace') {
          map.replace(key, index)
          if (model.has(key)) model.set(key, index)
        } else if (kind === 'delete') {
          t.is(map.delete(key), model.delete(key))
        } else {
          map.deleteFirst()
          const [first] = model.keys()
          if (first !== undefined) model.delete(first)
        }
        t.deepEqual([...map], [...model])
        t.is(map.size, model.size)
        t.is(map.get(key), model.get(key))
        t.is(map.has(key), model.has(key))
        const [first] = model
        t.deepEqual([map.first?.key, map.first?.value], [first?.[0], first?.[1]])
      }
    }),
    { numRuns: 500 },
  )
})

/** Microseconds of processor time for so many keys that come last while the first goes; the least of some tries. */
function turnoverUs(size: number): number {
  const tries = [1, 2, 3].map(() => {
    const map = new OrderedMap<number, number>()
    for (let key = 0; key < size; key++) map.set(key, key)
    const { user } = process.cpuUsage()
    for (let key = size; key < size + 100_000; key++) {
      map.set(key, key)
      map.deleteFirst()
    }
    return process.cpuUsage().user - user
  })
  return Math.min(...tries)
}

test('the first of many keys goes at no more cost than that of few', t => {
  const [few, many] = [turnoverUs(1_000), turnoverUs(65_536)]
  t.true(many < 10 * few + 10_000, `${many} µs, ${few} µs with few`)
})
