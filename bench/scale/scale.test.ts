import test from 'ava'
import { membersOf } from './members.ts'
import { plotsOf, tablesOf } from './page.ts'
import { placementFigures } from './placement.ts'
import { viewFigures } from './views.ts'

const shape = { servers: 10, partitions: 256, replicas: 3 }

test('members differ in id, host and address, and are the same each time', t => {
  const members = membersOf(10_000)
  for (const key of ['id', 'host', 'name'] as const) {
    t.is(new Set(members.map(member => member[key])).size, members.length)
  }
  t.is(new Set(members.flatMap(({ addresses }) => addresses)).size, members.length)
  t.regex(members[0]?.id ?? '', /^[0-9a-f]{32}$/)
  t.deepEqual(membersOf(10), members.slice(0, 10))
})

test('loads and moves are told as parts of the mean', t => {
  const figures = placementFigures(shape)
  t.true(figures.mostLoad >= 1 && figures.mostLoad < 2)
  t.true(figures.leastLoad > 0 && figures.leastLoad <= 1)
  t.is(figures.idle, 0)
  t.true(figures.movedByJoin > 0.5 && figures.movedByJoin < 4)
  t.true(figures.movedByLeave >= 1, 'what the server held has to go somewhere')
})

test('a view grows with its members, and is told to all of them', t => {
  const small = viewFigures(shape)
  const large = viewFigures({ ...shape, servers: 100 })
  t.true(large.bytes > small.bytes && small.fits)
  t.is(large.tellAllBytes, 100 * large.bytes)
})

test('figures become tables and plots without holes', t => {
  const shapes = [shape, { ...shape, servers: 100 }]
  const crowd = { files: 100, createMs: 0.2, statMs: 0.05, memoryBytesPerMillion: 5e7 }
  const figures = {
    placement: shapes.map(placementFigures),
    views: shapes.map(viewFigures),
    crowds: [
      { ...crowd, partitions: 1 },
      { ...crowd, partitions: 16 },
    ],
  }
  const tables = tablesOf(figures)
  t.is(tables.split('\n').filter(line => line.startsWith('| 10 |')).length, 2)
  for (const text of [tables, ...Object.values(plotsOf(figures))]) {
    t.false(/NaN|Infinity|undefined/.test(text))
  }
})
