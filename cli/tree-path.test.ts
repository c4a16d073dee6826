import test from 'ava'
import { basename, beside, join } from './tree-path.ts'

test('paths keep their bytes, whether they are text or not', t => {
  const name = Buffer.from('\xff\xfe', 'latin1')
  const path = join('/größe', 'a', name)
  t.deepEqual(path, Buffer.concat([Buffer.from('/größe/a/'), name]))
  t.deepEqual(basename(path), name)
  t.deepEqual(beside(path, name), path)
  t.deepEqual(join('/a', ''), Buffer.from('/a'))
})

test('a link leads from the directory that holds it, and through what is before its dots', t => {
  t.is(`${beside('/a/link', Buffer.from('b/../c'))}`, '/a/b/../c')
  t.is(`${beside('/a/link', Buffer.from('/c'))}`, '/c')
})
