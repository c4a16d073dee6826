import test from 'ava'
import fc from 'fast-check'
import { RecentMap } from './recent-map.ts'

fc.configureGlobal({ seed: 20_260_101 })

test('it has the latest value of what was used last, and never what was deleted', t => {
  const limit = 8
  const step = fc.tuple(fc.constantFrom('set', 'get', 'delete'), fc.nat(20))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const map = new RecentMap<number, number>(limit)
      const latest = new Map<number, number>()
      let used: number[] = []
      for (const [index, [what, key]] of steps.entries()) {
        const found = what === 'get' ? map.get(key) : undefined
        if (what === 'get' && (found !== undefined || used.slice(0, limit / 2).includes(key))) {
          t.is(found, latest.get(key))
        }
        if (what === 'set') {
          map.set(key, index)
          latest.set(key, index)
        }
        if (what === 'delete') {
          map.delete(key)
          latest.delete(key)
        }
        const isUsed = what === 'set' || found !== undefined
        if (isUsed) used = [key, ...used.filter(each => each !== key)]
      }
      const kept = [...Array(21).keys()].filter(key => map.get(key) !== undefined)
      t.true(kept.every(key => latest.has(key)))
    }),
    { numRuns: 500 },
  )
})

test('it never holds more than its limit', t => {
  const map = new RecentMap<number, null>(10)
  for (let key = 0; key < 1000; key++) map.set(key, null)
  let kept = 0
  for (let key = 999; key >= 0; key--) if (map.get(key) === null) kept++
  t.true(kept >= 5 && kept <= 10, `${kept}`)
})

/** Microseconds of processor time for so many steps in a map that remembers so many; the least of some tries. */
function churnUs(limit: number): number {
  const changing = 2 ** 40
  const tries = [1, 2, 3].map(() => {
    const map = new RecentMap<number, number>(limit)
    const { user } = process.cpuUsage()
    for (let step = 0; step < 40_000; step++) {
      map.delete(changing)
      map.get(changing)
      map.set(changing, step)
      map.set(step, step)
    }
    return process.cpuUsage().user - user
  })
  return Math.min(...tries)
}

test('what is deleted and set again all the time costs no more in a large map', t => {
  const [small, large] = [churnUs(1_000), churnUs(65_536)]
  t.true(large < 10 * small + 10_000, `${large} µs, ${small} µs where little is remembered`)
})
