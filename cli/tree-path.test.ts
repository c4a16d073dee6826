import test from 'ava'
import { basename, dirname, join } from './tree-path.ts'

test('paths keep their bytes, whether they are text or not', t => {
  const name = Buffer.from('\xff\xfe', 'latin1')
  const path = join('/größe', 'a', name)
  t.deepEqual(path, Buffer.concat([Buffer.from('/größe/a/'), name]))
  t.deepEqual(basename(path), name)
  t.deepEqual(dirname(path), Buffer.from('/größe/a'))
  t.deepEqual(join('/a', ''), Buffer.from('/a'))
})
