import test from 'ava'
import { maxToldInDirectory } from '../../network/limits.ts'
import { type Attributes, fileType } from '../../network/wire/attributes.ts'
import { MemoryInode } from './memory-inode.ts'
import { ToldDirectories } from './told-directories.ts'

function told(ino: number, type: number = fileType.directory): Attributes {
  return new MemoryInode(ino, { mode: type | 0o755, rdev: 0, uid: 0, gid: 0 }, 1n).attributes()
}

test('a name means the directory that it was told to be last, and nothing when that is none', t => {
  const directories = new ToldDirectories()
  const [one, other] = [Buffer.from([0xff, 1]), Buffer.from([0xff, 2])]
  directories.tell(7, one, told(8))
  directories.tell(7, one, told(9))
  directories.tell(7, other, told(10))
  t.deepEqual([directories.meant(7, one), directories.meant(7, other)], [9, 10])
  t.is(directories.meant(6, one), undefined)
  directories.tell(7, one, told(11, fileType.regular))
  directories.tell(7, other, null)
  t.deepEqual([directories.meant(7, one), directories.meant(7, other)], [undefined, undefined])
})

test('of one directory only so many are remembered', t => {
  const directories = new ToldDirectories()
  for (let index = 0; index <= maxToldInDirectory; index++) {
    directories.tell(7, Buffer.from(`${index}`), told(100 + index))
  }
  t.is(directories.meant(7, Buffer.from('0')), undefined)
  t.is(directories.meant(7, Buffer.from(`${maxToldInDirectory}`)), 100 + maxToldInDirectory)
})
