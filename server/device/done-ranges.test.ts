import test from 'ava'
import { doneGenerations, maxDoneRanges } from '../../network/limits.ts'
import { DoneRanges } from './done-ranges.ts'

test('what was added is taken once, when it is old, joined where one begins at the end of the one before', t => {
  const ranges = new DoneRanges()
  ranges.add(10, 5)
  ranges.add(15, 5)
  ranges.add(0, 10)
  const taken: number[][] = []
  for (let time = 0; time < doneGenerations; time++) {
    taken.push([...ranges.takeOld()])
    ranges.add(100 + time, 1)
  }
  t.true(taken.every(old => old.length === 0))
  t.deepEqual([...ranges.takeOld()], [10, 10, 0, 10])
  t.deepEqual([...ranges.takeOld()], [100, 1])
})

test('no more is remembered than there is room for', t => {
  const ranges = new DoneRanges()
  for (let at = 0; at < 2 * maxDoneRanges; at++) ranges.add(2 * at, 1)
  let most = 0
  for (let time = 0; time <= doneGenerations; time++) {
    most = Math.max(most, ranges.takeOld().length)
  }
  t.is(most, 2 * maxDoneRanges)
})
