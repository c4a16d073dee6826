import test from 'ava'
import fc from 'fast-check'
import { formatBytes } from '../network/format/bytes.ts'
import {
  bytesBetween,
  collect,
  countBetween,
  parseAddress,
  parseBytes,
  parseStore,
  parseVolumeName,
  parseVolumePath,
  parseWeight,
} from './arguments.ts'

test('sizes are powers of 1024, with or without iB', t => {
  t.is(parseBytes('65536'), 65_536)
  for (const text of ['64KiB', '64k', '64K', '64kb', '64 KiB']) t.is(parseBytes(text), 65_536)
  t.is(parseBytes('1M'), 1024 ** 2)
  t.is(parseBytes('1.5GiB'), 1.5 * 1024 ** 3)
  t.is(parseBytes('0'), 0)
})

test('what is not a whole number of bytes is refused', t => {
  for (const text of [
    '',
    'x',
    '-1',
    '1.5',
    '0.3k',
    '1e6',
    '64 KiBs',
    '9007199254740993',
    '99999999T',
  ]) {
    t.throws(() => parseBytes(text), { message: /is not a size/ }, text)
  }
})

test('a size or count outside its bounds is refused, both ends included', t => {
  const bytes = bytesBetween(1024, 2048)
  t.is(bytes('1k'), 1024)
  t.is(bytes('2k'), 2048)
  t.throws(() => bytes('1023'), { message: /1 KiB to 2 KiB/ })
  t.throws(() => bytes('2049'), { message: /out of range/ })
  const count = countBetween(1, 64)
  t.is(count('64'), 64)
  for (const text of ['0', '65', '-1', '3.5', '', '0x3', '3 ']) {
    t.throws(() => count(text), { message: /from 1 to 64/ }, text)
  }
})

test('a weight is above zero', t => {
  t.is(parseWeight('0.5'), 0.5)
  for (const text of ['0', '-1', '', 'NaN', 'Infinity', 'two']) {
    t.throws(() => parseWeight(text), { message: /is not a weight/ }, text)
  }
})

test('short forms of addresses mean tcp and unix', t => {
  t.is(parseAddress('127.0.0.1:7400'), 'tcp://127.0.0.1:7400')
  t.is(parseAddress('tcp://host.example:0'), 'tcp://host.example:0')
  t.is(parseAddress('[::1]:7400'), 'tcp://[::1]:7400')
  t.is(parseAddress('/run/x.sock'), 'unix:/run/x.sock')
  t.is(parseAddress('unix:/run/x.sock'), 'unix:/run/x.sock')
})

test('a store in etcd has one machine or several, and a name', t => {
  t.deepEqual(parseStore('etcd://a:2379/rookery'), { endpoints: ['a:2379'], name: 'rookery' })
  t.deepEqual(parseStore('etcd://10.0.0.1:1,[::1]:2/x-1.y').endpoints, ['10.0.0.1:1', '[::1]:2'])
  for (const text of [
    '',
    '/srv/manager',
    'a:2379/x',
    'etcd://a:2379',
    'etcd://a:2379/',
    'etcd://a/x',
    'etcd://a:65536/x',
    'etcd://a:1,/x',
    'etcd://user:word@a:1/x',
    'etcd://a:1/x/y',
    `etcd://${Array(17).fill('a:1').join(',')}/x`,
    'http://a:1/x',
  ]) {
    t.throws(() => parseStore(text), { message: /is no store: write etcd/ }, text)
  }
})

test('a bad address is refused', t => {
  for (const text of [
    '',
    '7400',
    'host',
    'host:',
    ':7400',
    'host:65536',
    'unix:x',
    'http://a:1',
    'a b:1',
  ]) {
    t.throws(() => parseAddress(text), undefined, text)
  }
})

test('a socket path longer than the 107 bytes of unix(7) is refused', t => {
  const fits = `/${'a'.repeat(106)}`
  t.is(parseAddress(fits), `unix:${fits}`)
  t.throws(() => parseAddress(`${fits}a`), { message: /107 bytes/ })
  t.throws(() => parseAddress(`/${'ü'.repeat(54)}`), { message: /107 bytes/ })
})

test('an option that is repeated collects its values', t => {
  const parse = collect(parseAddress)
  t.deepEqual(parse('b:2', parse('a:1')), ['tcp://a:1', 'tcp://b:2'])
})

test('a path without a volume is of the default volume, and is made plain', t => {
  t.deepEqual(parseVolumePath('/a//b/./c'), { volume: 'default', path: '/a/b/c' })
  t.deepEqual(parseVolumePath('films:/'), { volume: 'films', path: '/' })
  t.deepEqual(parseVolumePath('/a:/b'), { volume: 'default', path: '/a:/b' })
  t.deepEqual(parseVolumePath('/new\nline'), { volume: 'default', path: '/new\nline' })
  for (const text of ['', 'a', 'films', 'films:', 'films:a', ':/a', '-x:/a']) {
    t.throws(() => parseVolumePath(text), undefined, text)
  }
})

test('a path never climbs above the top of its volume', t => {
  t.is(parseVolumePath('/../../a').path, '/a')
  t.is(parseVolumePath('/a/../..').path, '/')
  fc.assert(
    fc.property(fc.array(fc.constantFrom('..', '.', '', 'a', 'b')), parts => {
      const { path } = parseVolumePath(`/${parts.join('/')}`)
      return path.startsWith('/') && !path.split('/').includes('..')
    }),
  )
})

test('volume names can be typed without quoting', t => {
  for (const name of ['a', 'films', 'A-1_b.c']) t.is(parseVolumeName(name), name)
  for (const name of ['', '.', '..', '.a', 'a/b', 'a:b', 'a b', 'a'.repeat(65)]) {
    t.throws(() => parseVolumeName(name), { message: /is not a volume name/ }, name)
  }
})

test('sizes are shown with the unit that suits them', t => {
  t.is(formatBytes(0), '0 B')
  t.is(formatBytes(1023), '1023 B')
  t.is(formatBytes(1024), '1 KiB')
  t.is(formatBytes(1536), '1.5 KiB')
  t.is(formatBytes(1024 ** 4), '1 TiB')
})
