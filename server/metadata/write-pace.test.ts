import test from 'ava'
import { levelStallMs, levelStallPauseMs, levelWriteWindowMs } from '../../network/limits.ts'
import { WritePace } from './write-pace.ts'

function paced(mostBytes: number) {
  let nowMs = 1_000
  const clock = { monotonicMs: () => nowMs, uptimeMs: () => nowMs, wallNs: () => 0n }
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { pace: new WritePace(clock, mostBytes), pass }
}

test('no more is admitted within a window than Level gathers in memory', t => {
  const { pace, pass } = paced(100)
  t.true(pace.admits(60))
  t.true(pace.admits(40))
  pass(levelWriteWindowMs)
  t.true(pace.admits(100))
  t.false(pace.admits(1))
})

test('nothing is admitted in the window after one in which more was written', t => {
  const { pace, pass } = paced(100)
  t.false(pace.admits(101))
  pass(levelWriteWindowMs)
  t.false(pace.admits(1))
  pass(levelWriteWindowMs)
  t.true(pace.admits(1))
})

test('nothing is admitted for a while after a write that took long', t => {
  const { pace, pass } = paced(100)
  t.true(pace.admits(1))
  pass(levelStallMs - 1)
  pace.ended()
  t.true(pace.admits(1))
  pass(levelStallMs)
  pace.ended()
  t.false(pace.admits(1))
  pass(levelStallPauseMs - 1)
  t.false(pace.admits(1))
  pass(1)
  t.true(pace.admits(1))
})
