/** Clients on a server's machine, which read its data file themselves while others change what lies there. */
import test from 'ava'
import type { FileSystem, OpenFile } from '../../client/fs/contract.ts'
import { openPaths } from '../../client/testing/open-paths.ts'
import { eventually } from './eventually.ts'
import { firstBoot, InProcessCluster } from './in-process.ts'

const MiB = 1024 * 1024
const blocks = 4
const versions = 60
const caller = { uid: 0, gid: 0 }
const name = Buffer.from('f')

/** Of each server, and of each client that reads there. */
function openDataFiles(): number {
  return openPaths().filter(path => path.endsWith('/blocks.dat')).length
}

async function openAnew(fs: FileSystem): Promise<OpenFile> {
  const { ino } = await fs.lookup(fs.root, name)
  return await fs.open(ino, { truncate: false })
}

/** Overwritten and synced again and again, so that what was there before becomes free and is used for what follows. */
async function overwrite(fs: FileSystem, file: OpenFile): Promise<void> {
  for (let version = 1; version <= versions; version++) {
    await fs.write(file, 0, Buffer.alloc(blocks * MiB, version), {})
    await fs.fsync(file.ino, file)
  }
}

test('what a client reads from the disk itself is never half of one version and half of another', async t => {
  await using cluster = await InProcessCluster.start(1)
  const writer = await cluster.openFileSystem('elsewhere')
  const ofServer = openDataFiles()
  const reader = await cluster.openFileSystem(firstBoot)
  const anew = { exclusive: true, truncate: false }
  const { file } = await writer.create(writer.root, name, 0o100644, caller, anew)
  await writer.write(file, 0, Buffer.alloc(blocks * MiB), {})
  await eventually('the reader has the data file', () => openDataFiles() > ofServer)
  let isDone = false
  const writing = overwrite(writer, file).finally(() => {
    isDone = true
  })
  const seen = new Set<number>()
  while (!isDone) {
    const read = await openAnew(reader)
    for (let block = 0; block < blocks; block++) {
      const data = Buffer.concat(await reader.read(read, block * MiB, MiB))
      const version = data[0]!
      if (!data.equals(Buffer.alloc(MiB, version))) t.fail(`a mixture beside version ${version}`)
      seen.add(version)
    }
    reader.release(read)
  }
  await writing
  t.true(seen.size > 3, `${seen.size} versions seen`)
})
