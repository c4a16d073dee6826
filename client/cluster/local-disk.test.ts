import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import test, { type ExecutionContext } from 'ava'
import { realEnv } from '../../network/env/real.ts'
import { localReadBytes } from '../../network/limits.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import type { DataFile } from '../../network/wire/operations.ts'
import { openPaths } from '../testing/open-paths.ts'
import { LocalDisk } from './local-disk.ts'
import { LocalReads } from './local-reads.ts'

const boot = 'this boot'
const request = { ino: 1, generation: 0, block: 0, offset: 0, length: localReadBytes }

async function directory(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(`${await realpath(tmpdir())}/rookery-local-disk-`)
  t.teardown(() => rm(path, { recursive: true }))
  return path
}

function fileAt(path: string): DataFile {
  const { dev, ino } = statSync(path, { bigint: true })
  return { path, device: dev, inode: ino }
}

const pause = () => new Promise(resolve => setTimeout(resolve, 2))

/** However long that takes. */
async function opened(disk: LocalDisk): Promise<LocalDisk> {
  while (!disk.mayRead(request)) await pause()
  return disk
}

/** As long as opening would take where nobody is busy: of what is never to be opened. */
async function isOpened(disk: LocalDisk): Promise<boolean> {
  for (let turn = 0; turn < 50 && !disk.mayRead(request); turn++) await pause()
  return disk.mayRead(request)
}

function diskOf(t: ExecutionContext, dataFile: DataFile): LocalDisk {
  const disk = new LocalDisk(new LocalReads(realEnv().timers), boot)
  t.teardown(() => disk.close())
  disk.told({ boot, dataFile })
  return disk
}

function placed(places: readonly number[]): Reply<'readBlock'> {
  return { body: { present: true, checksums: new Uint8Array(8), places }, payload: [] }
}

async function readFrom(disk: LocalDisk, places: readonly number[], length: number) {
  return Buffer.concat((await disk.filled(placed(places), length)).payload)
}

function opensOf(path: string): number {
  return openPaths().filter(open => open === path).length
}

/** It is closed beside. */
async function closed(t: ExecutionContext, path: string): Promise<void> {
  while (opensOf(path) > 0) await pause()
  t.is(opensOf(path), 0)
}

test('runs are put where they belong, and zeros are between them', async t => {
  const path = `${await directory(t)}/blocks.dat`
  await writeFile(path, 'abcdefgh')
  const disk = await opened(diskOf(t, fileAt(path)))
  const read = await readFrom(disk, [4, 1, 3, 0, 6, 2], 9)
  t.deepEqual(read, Buffer.from('\0efg\0\0ab\0'))
  t.deepEqual(await readFrom(disk, [], 3), Buffer.alloc(3))
})

test('what comes with its payload is left as it is, and short reads are the server’s', async t => {
  const path = `${await directory(t)}/blocks.dat`
  await writeFile(path, 'abcdefgh')
  const disk = await opened(diskOf(t, fileAt(path)))
  const reply = { body: { present: true, checksums: new Uint8Array(8) }, payload: [Buffer.of(1)] }
  t.deepEqual(await disk.filled(reply, 1), reply)
  t.false(disk.mayRead({ ...request, length: localReadBytes - 1 }))
})

test('only that very file is opened, and only as one of this machine', async t => {
  const home = await directory(t)
  const path = `${home}/blocks.dat`
  await writeFile(path, 'abcdefgh')
  await symlink(path, `${home}/link`)
  execFileSync('mkfifo', [`${home}/fifo`])
  const file = fileAt(path)
  const others: DataFile[] = [
    { ...file, inode: file.inode + 1n },
    { ...file, device: file.device + 1n },
    { ...file, path: `${home}/link` },
    { ...file, path: `${home}/missing` },
    fileAt(`${home}/fifo`),
    fileAt(home),
  ]
  for (const other of others) t.false(await isOpened(diskOf(t, other)), other.path)
  const elsewhere = new LocalDisk(new LocalReads(realEnv().timers), boot)
  elsewhere.told({ boot: 'another boot', dataFile: file })
  elsewhere.told({ boot })
  t.false(await isOpened(elsewhere))
  await closed(t, path)
})

for (const [what, places] of Object.entries({
  'behind the end of the file': [4, 0, 8],
  'behind what was asked for': [0, 5, 4],
  'over one another': [0, 0, 4, 4, 3, 2],
  nowhere: [-1, 0, 4],
  'of no bytes': [0, 0, 0],
  'cut short': [0, 0],
  'no numbers': ['0', '0', {}] as unknown as number[],
})) {
  test(`places ${what} give nothing, and the disk is not read again on this connection`, async t => {
    const path = `${await directory(t)}/blocks.dat`
    await writeFile(path, 'abcdefgh')
    const dataFile = fileAt(path)
    const disk = await opened(diskOf(t, dataFile))
    t.is((await readFrom(disk, places, 8)).length, 0)
    t.false(disk.mayRead(request))
    disk.told({ boot, dataFile })
    t.false(await isOpened(disk))
    disk.close()
    disk.told({ boot, dataFile })
    await opened(disk)
    t.is((await readFrom(disk, [0, 0, 8], 8)).toString(), 'abcdefgh')
  })
}

test('a connection that ends takes the file with it, also while it is opened', async t => {
  const path = `${await directory(t)}/blocks.dat`
  await writeFile(path, 'abcdefgh')
  const dataFile = fileAt(path)
  const disk = await opened(diskOf(t, dataFile))
  t.true(opensOf(path) > 0)
  disk.close()
  t.is((await readFrom(disk, [0, 0, 8], 8)).length, 0)
  for (let count = 0; count < 5; count++) {
    disk.told({ boot, dataFile })
    disk.close()
  }
  t.false(await isOpened(disk))
  await closed(t, path)
})
