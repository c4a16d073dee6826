import { randomBytes } from 'node:crypto'
import { constants, statSync } from 'node:fs'
import { mkdtemp, open, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import test, { type ExecutionContext } from 'ava'
import { directAlignmentBytes, directIo, directRoom } from '../../network/disk/direct-io.ts'
import { openPaths } from '../testing/open-paths.ts'
import { LocalFile, openLocalFile } from './local-file.ts'

const content = randomBytes(3_000_000)

async function fileOf(t: ExecutionContext): Promise<{ path: string; file: LocalFile }> {
  const directory = await mkdtemp(`${await realpath(tmpdir())}/rookery-local-file-`)
  t.teardown(() => rm(directory, { recursive: true }))
  const path = `${directory}/blocks.dat`
  await writeFile(path, content)
  const { dev, ino } = statSync(path, { bigint: true })
  const file = await openLocalFile({ path, device: dev, inode: ino })
  t.teardown(() => file?.close())
  return { path, file: file! }
}

/** Past the page cache, so that nothing of it is there. @returns whether the file system does so. */
async function writeAgain(path: string): Promise<boolean> {
  const whole = Buffer.alloc(
    Math.ceil(content.length / directAlignmentBytes) * directAlignmentBytes,
  )
  whole.set(content)
  const flags = constants.O_WRONLY | constants.O_DIRECT
  const file = await open(path, flags).catch(() => null)
  if (file === null) return false
  const errno = await directIo.write(file.fd, 0, [whole], directRoom())
  await file.truncate(content.length)
  await file.close()
  return errno === 0
}

const runs = [
  [0, 4096],
  [4096, 1_500_000],
  [1, 1],
  [4095, 2],
  [1_048_575, 1_100_000],
  [2_999_999, 1],
] as const

for (const isCached of [true, false]) {
  const from = isCached ? 'from the page cache' : 'past the page cache'
  test(`all runs are read ${from}, wherever they begin and end`, async t => {
    const { path, file } = await fileOf(t)
    if (!isCached && !(await writeAgain(path))) {
      t.pass('skipped: this file system writes nothing past its page cache')
      return
    }
    const targets = runs.map(([, length]) => new Uint8Array(length))
    const positions = runs.map(([position]) => position)
    await file.read(positions, targets, directRoom())
    for (const [index, [position, length]] of runs.entries()) {
      t.true(content.subarray(position, position + length).equals(targets[index]!))
    }
  })
}

test('what is behind the end is told, and so is what is no file any more', async t => {
  const { file, path } = await fileOf(t)
  const behind = file.read([2_999_999], [new Uint8Array(2)], directRoom())
  await t.throwsAsync(behind, { code: 'ENODATA' })
  const handle = await open(path, 'a')
  const unreadable = new LocalFile(handle, null)
  await t.throwsAsync(unreadable.read([0], [new Uint8Array(1)], directRoom()), { code: 'EBADF' })
  unreadable.close()
  await t.throwsAsync(file.read([-1], [new Uint8Array(1)], directRoom()), { instanceOf: TypeError })
})

test('it is closed when nobody reads it any more', async t => {
  const { path, file } = await fileOf(t)
  const isOpen = () => openPaths().includes(path)
  const target = new Uint8Array(1_000_000)
  const reading = file.read([0], [target], directRoom())
  file.close()
  t.true(isOpen())
  await reading
  t.true(content.subarray(0, target.length).equals(target))
  await t.throwsAsync(file.read([0], [target], directRoom()))
  // Beside, when one of libuv's threads has time for it.
  while (isOpen()) await new Promise(resolve => setTimeout(resolve, 2))
  t.false(isOpen())
})
