import test from 'ava'
import { formatMode, printableName } from './listing.ts'
import { formatTable } from './table.ts'

test('modes are shown as ls has them', t => {
  t.is(formatMode(0o100644), '-rw-r--r--')
  t.is(formatMode(0o040755), 'drwxr-xr-x')
  t.is(formatMode(0o120777), 'lrwxrwxrwx')
  t.is(formatMode(0o104755), '-rwsr-xr-x')
  t.is(formatMode(0o102644), '-rw-r-Sr--')
  t.is(formatMode(0o041777), 'drwxrwxrwt')
  t.is(formatMode(0o010600), 'prw-------')
})

test('a name cannot command the terminal', t => {
  t.is(printableName('a\x1b[2Jb\n'), 'a\\x1b[2Jb\\x0a')
  t.is(printableName('größe 日本'), 'größe 日本')
})

test('columns are as wide as their widest cell, numbers to the right', t => {
  const columns = [
    { title: 'NAME', align: 'left' },
    { title: 'N', align: 'right' },
  ] as const
  t.is(
    formatTable(columns, [
      ['a', '100'],
      ['bcdef', '2'],
    ]),
    'NAME     N\na      100\nbcdef    2',
  )
  t.is(formatTable(columns, []), 'NAME  N')
})
