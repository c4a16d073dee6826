import test from 'ava'
import { type Attributes, fileType } from '../../network/wire/attributes.ts'
import { entriesOfRecords } from '../../network/wire/directory-records.ts'
import { KnownNames } from './known-names.ts'

const directory = (change: number, size: number, ino = 16) =>
  ({ ino, mode: 0o40755, change, size }) as Attributes
const nameOf = (text: string) => Buffer.from(text)
const made = { ino: 99, type: fileType.regular }

test('an empty directory lacks every name, and then those that were not made in it', t => {
  const names = new KnownNames()
  t.false(names.lacks(directory(5, 0), nameOf('a')), 'nothing is known')
  names.saw(directory(5, 0))
  t.true(names.lacks(directory(5, 0), nameOf('a')))
  names.changed(directory(6, 1), nameOf('a'), made, names.before(16))
  t.false(names.lacks(directory(6, 1), nameOf('a')))
  t.true(names.lacks(directory(6, 1), nameOf('b')))
  t.false(names.lacks(directory(7, 2), nameOf('b')), 'somebody has changed it')
})

test('of a directory that another has changed as well nothing is known any more', t => {
  const names = new KnownNames()
  names.saw(directory(5, 0))
  names.changed(directory(7, 2), nameOf('a'), made, names.before(16))
  t.false(names.lacks(directory(7, 2), nameOf('b')))
  t.is(names.count, 0)
})

test('a change does not count to what was found out after it was asked for', t => {
  const names = new KnownNames()
  names.saw(directory(5, 0))
  const before = names.before(16)
  names.saw(directory(7, 0))
  names.changed(directory(8, 1), nameOf('a'), made, before)
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
  names.changed(directory(6, 1), nameOf('a'), made, names.before(16))
  names.changed(directory(7, 0), nameOf('a'), null, names.before(16))
  t.false(names.lacks(directory(7, 0), nameOf('a')))
  names.saw(directory(7, 0))
  t.true(names.lacks(directory(7, 0), nameOf('a')))
  t.is(names.count, 0)
})

test('there are never more names or directories than may be', t => {
  const names = new KnownNames({ names: 10, directories: 3 })
  for (let ino = 16; ino < 24; ino++) names.saw(directory(1, 0, ino))
  t.false(names.lacks(directory(1, 0, 20), nameOf('a')))
  t.true(names.lacks(directory(1, 0, 21), nameOf('a')))
  for (let change = 2; change < 30; change++) {
    names.changed(directory(change, change - 1, 23), nameOf(`${change}`), made, names.before(23))
    t.true(names.count <= 10)
  }
  t.is(names.count, 0, 'one that has too many is forgotten')
  t.false(names.lacks(directory(29, 28, 23), nameOf('a')))
})

test('a directory is listed while it has the very attributes that the last change here gave it', t => {
  const names = new KnownNames()
  const request = { cookie: 0, limitBytes: 4096 }
  const has = (attributes: Attributes) => {
    const page = names.page(attributes, request)
    return page && entriesOfRecords(page.records).map(({ name }) => `${Buffer.from(name)}`)
  }
  names.saw(directory(5, 0))
  t.deepEqual(has(directory(5, 0)), [])
  names.changed(directory(6, 1), nameOf('a'), made, names.before(16))
  t.deepEqual(has(directory(6, 1)), ['a'])
  t.is(has(directory(5, 0)), undefined, 'the change is on its way')
  names.changed(directory(7, 0), nameOf('a'), null, names.before(16))
  t.deepEqual(has(directory(7, 0)), [])
  names.forget(16)
  t.is(has(directory(7, 0)), undefined)
})

for (const [what, seen] of Object.entries({
  'has a later change, which is somebody else’s': directory(7, 2),
  'was split': { ...directory(6, 1), reach: 1 },
})) {
  test(`a directory that ${what} is never listed from memory again`, t => {
    const names = new KnownNames()
    names.saw(directory(5, 0))
    names.changed(directory(6, 1), nameOf('a'), made, names.before(16))
    t.true(names.canList(16))
    t.is(names.page(seen, { cookie: 0, limitBytes: 4096 }), undefined)
    t.false(names.canList(16))
    t.is(names.recordBytes, 0)
    t.true(names.lacks(directory(6, 1), nameOf('b')))
  })
}

test('records have a bound: the directory that was found empty first is listed by its server then', t => {
  const names = new KnownNames({ recordBytes: 3000 })
  const change = [1, 1, 1]
  for (const ino of [0, 1, 2]) names.saw(directory(1, 0, ino))
  for (let count = 0; count < 90; count++) {
    const ino = count % 3
    const next = directory(++change[ino]!, 1, ino)
    names.changed(next, nameOf(`${count}`), made, names.before(ino))
    t.true(names.recordBytes <= 3000)
  }
  t.false(names.canList(0))
  t.true(names.canList(2))
  t.is(names.count, 90)
  for (const ino of [0, 1, 2]) names.forget(ino)
  t.is(names.recordBytes, 0)
})
