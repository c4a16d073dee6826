import test from 'ava'
import type { Attributes } from '../../network/wire/attributes.ts'
import { KnownNames } from './known-names.ts'

const directory = (change: number, size: number, ino = 16) =>
  ({ ino, mode: 0o40755, change, size }) as Attributes
const nameOf = (text: string) => Buffer.from(text)

test('an empty directory lacks every name, and then those that were not made in it', t => {
  const names = new KnownNames()
  t.false(names.lacks(directory(5, 0), nameOf('a')), 'nothing is known')
  names.saw(directory(5, 0))
  t.true(names.lacks(directory(5, 0), nameOf('a')))
  names.changed(directory(6, 1), nameOf('a'), names.before(16))
  t.false(names.lacks(directory(6, 1), nameOf('a')))
  t.true(names.lacks(directory(6, 1), nameOf('b')))
  t.false(names.lacks(directory(7, 2), nameOf('b')), 'somebody has changed it')
})

test('of a directory that another has changed as well nothing is known any more', t => {
  const names = new KnownNames()
  names.saw(directory(5, 0))
  names.changed(directory(7, 2), nameOf('a'), names.before(16))
  t.false(names.lacks(directory(7, 2), nameOf('b')))
  t.is(names.count, 0)
})

test('a change does not count to what was found out after it was asked for', t => {
  const names = new KnownNames()
  names.saw(directory(5, 0))
  const before = names.before(16)
  names.saw(directory(7, 0))
  names.changed(directory(8, 1), nameOf('a'), before)
  t.false(
    names.lacks(directory(8, 1), nameOf('b')),
    'the change may have been one of those before 7',
  )
})

test('what holds entries, or is no directory, is not known for having been seen', t => {
  const names = new KnownNames()
  names.saw(directory(5, 1))
  names.saw({ ...directory(5, 0, 17), mode: 0o100644 })
  t.false(names.lacks(directory(5, 1), nameOf('a')))
  t.false(names.lacks(directory(5, 0, 17), nameOf('a')))
})

test('a name that was removed is asked for, until the directory is empty again', t => {
  const names = new KnownNames()
  names.saw(directory(5, 0))
  names.changed(directory(6, 1), nameOf('a'), names.before(16))
  names.changed(directory(7, 0), nameOf('a'), names.before(16))
  t.false(names.lacks(directory(7, 0), nameOf('a')))
  names.saw(directory(7, 0))
  t.true(names.lacks(directory(7, 0), nameOf('a')))
  t.is(names.count, 0)
})

test('there are never more names or directories than may be', t => {
  const names = new KnownNames(10, 3)
  for (let ino = 16; ino < 24; ino++) names.saw(directory(1, 0, ino))
  t.false(names.lacks(directory(1, 0, 20), nameOf('a')))
  t.true(names.lacks(directory(1, 0, 21), nameOf('a')))
  for (let change = 2; change < 30; change++) {
    names.changed(directory(change, change - 1, 23), nameOf(`${change}`), names.before(23))
    t.true(names.count <= 10)
  }
  t.is(names.count, 0, 'one that has too many is forgotten')
  t.false(names.lacks(directory(29, 28, 23), nameOf('a')))
})
