import test from 'ava'
import { clusterRootIno } from '../wire/ids.ts'
import { ParentTable } from './loops.ts'

function loopsIn(parents: { readonly [ino: number]: number }): number[] {
  const table = new ParentTable()
  for (const [ino, parent] of Object.entries(parents)) table.add(Number(ino), parent)
  return [...table.loops()].map(({ ino }) => ino)
}

test('a tree has no loop', t => {
  t.deepEqual(loopsIn({ [clusterRootIno]: 1, 20: 1, 30: 20, 10: 30, 40: 30 }), [])
})

test('of each loop the lowest directory is told, and of what hangs on it nothing', t => {
  const parents = { 1: 1, 20: 30, 30: 40, 40: 20, 50: 40, 60: 50, 100: 100, 80: 90, 90: 80 }
  t.deepEqual(loopsIn(parents).sort(), [100, 20, 80].sort())
})

test('a directory whose parent is unknown is in no loop', t => {
  t.deepEqual(loopsIn({ 1: 1, 20: 999 }), [])
})

test('a table takes many directories', t => {
  const table = new ParentTable()
  const count = 50_000
  table.add(clusterRootIno, clusterRootIno)
  for (let index = 0; index < count; index++) {
    table.add(1000 + index, index === 0 ? clusterRootIno : 1000 + Math.floor(index / 2))
  }
  t.is(table.size, count + 1)
  // Only the second names itself.
  t.deepEqual([...table.loops()], [])
})
