/** A create without O_EXCL that finds the name taken since its caller looked. */
import test from 'ava'
import type { FileSystem } from '../../client/fs/contract.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import { InProcessCluster } from './in-process.ts'

const caller = { uid: 1, gid: 1 }
const anew = { exclusive: true, truncate: false }

/** A directory whose partition is not that of the one at the top. */
async function elsewhere(fs: FileSystem): Promise<Attributes> {
  for (let number = 0; ; number++) {
    const made = await fs.mkdir(fs.root, Buffer.from(`d${number}`), 0o755, caller)
    if (partitionOfIno(made.ino) !== partitionOfIno(fs.root)) return made
  }
}

test('a create opens the file of another partition that took its name', async t => {
  await using cluster = await InProcessCluster.start(2)
  const fs = await cluster.openFileSystem()
  const { root } = fs
  const directory = await elsewhere(fs)
  const name = Buffer.from('taken')
  const { file } = await fs.create(directory.ino, name, 0o100644, caller, anew)
  await fs.write(file, 0, Buffer.from('content'), {})
  await fs.link(file.ino, root, name)
  const race = { exclusive: false, truncate: false }
  const found = await fs.create(root, name, 0o100644, caller, race)
  t.is(found.file.ino, file.ino)
  t.is(found.attributes.size, 7)
  const emptied = await fs.create(root, name, 0o100644, caller, { ...race, truncate: true })
  t.is(emptied.attributes.size, 0)
  const refused = fs.create(root, name, 0o100644, caller, anew)
  await t.throwsAsync(refused, { message: /EEXIST/ })
  for (const each of [file, found.file, emptied.file]) fs.release(each)
  await fs.unlink(root, name)
  await fs.unlink(directory.ino, name)
  await fs.close()
})
