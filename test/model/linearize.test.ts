import test from 'ava'
import type { Answer, Call } from './calls.ts'
import { type Event, linearize } from './linearize.ts'
import { World } from './world.ts'

const root = 1
const never = Number.POSITIVE_INFINITY
const mkdir: Call = { name: 'mkdir', parent: root, entry: 'd', mode: 0o755 }
const lookup: Call = { name: 'lookup', parent: root, entry: 'd' }
const rmdir: Call = { name: 'rmdir', parent: root, entry: 'd' }
const attributes = { ino: 7, mode: 0o40755, nlink: 2, uid: 0, gid: 0, size: 0 }
const made: Answer = { ino: 7, attributes }
const absent: Answer = { error: 'ENOENT' }

function event(
  client: string,
  call: Call,
  [started, ended]: [number, number],
  answer?: Answer,
): Event {
  return { client, call, started, ended, answer: answer ?? null }
}

function explained(...events: Event[]): boolean {
  return linearize(World.empty(root), events).explained
}

test('calls that overlap may have had their effect in either order', t => {
  const making = event('a', mkdir, [0, 3], made)
  t.true(explained(making, event('b', lookup, [1, 2], absent)))
  t.true(explained(making, event('b', lookup, [1, 2], { ino: 7 })))
})

test('what ended before another call began is there for it', t => {
  const making = event('a', mkdir, [0, 1], made)
  t.false(explained(making, event('b', lookup, [2, 3], absent)))
  t.true(explained(making, event('b', lookup, [2, 3], { ino: 7 })))
})

test('what was seen by one is not unseen by a later one', t => {
  const making = event('a', mkdir, [0, 9], made)
  const seen = event('b', lookup, [1, 2], { ino: 7 })
  t.false(explained(making, seen, event('c', lookup, [3, 4], absent)))
})

test('only one of two can have made a name', t => {
  const other = { ino: 8, attributes: { ...attributes, ino: 8 } }
  const making = event('a', mkdir, [0, 3], made)
  t.false(explained(making, event('b', mkdir, [1, 2], other)))
  t.true(explained(making, event('b', mkdir, [1, 2], { error: 'EEXIST' })))
})

test('a call without an answer has its effect late, or never, but not twice', t => {
  const making = event('a', mkdir, [0, never])
  t.true(explained(making))
  t.true(explained(making, event('b', lookup, [1, 2], absent)))
  t.true(
    explained(making, event('b', lookup, [1, 2], absent), event('b', lookup, [3, 4], { ino: 9 })),
  )
  const gone = event('b', rmdir, [3, 4], {})
  t.true(explained(making, gone, event('b', lookup, [5, 6], absent)))
  t.false(explained(making, gone, event('b', lookup, [5, 6], { ino: 9 })))
})

test('the number of what was made unseen is the one that is seen first', t => {
  const making = event('a', mkdir, [0, never])
  const first = event('b', lookup, [1, 2], { ino: 9 })
  const listed = (ino: number) =>
    event('b', { name: 'readdir', ino: root }, [3, 4], { entries: [`d:${ino}`] })
  t.true(explained(making, first, listed(9)))
  t.false(explained(making, first, listed(10)))
})

test('a history that nothing explains has the longest order that explains its own part', t => {
  const events = [event('a', mkdir, [0, 1], made), event('b', lookup, [2, 3], absent)]
  const { order, explained, world } = linearize(World.empty(root), events)
  t.deepEqual(order, [0])
  t.false(explained)
  t.is(world.attributesOf(root).nlink, 3)
})
