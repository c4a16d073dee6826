/** A data disk that fills up: programs are told, nothing is lost, and space that is freed can be used. */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rm, statfs, unlink, writeFile } from 'node:fs/promises'
import type { ExecutionContext } from 'ava'
import { sessionTimeoutMs } from '../../network/limits.ts'
import { bytesOf, sameBytes } from '../posix/bytes.ts'
import { run } from '../posix/program.ts'
import { eventually } from './eventually.ts'
import { testMounted } from './fuse.ts'
import { makeCluster, type ProcessCluster } from './processes.ts'

/** Writes 5 MB to the path, unless there is no space. */
async function hasRoom(path: string): Promise<boolean> {
  try {
    await writeFile(path, bytesOf(500, 5_000_000), { flush: true })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false
    throw error
  }
}

/** Writes over what is there or was allocated, in pieces that a small disk has room for. */
async function fill(path: string, content: Buffer): Promise<void> {
  const handle = await open(path, 'r+')
  try {
    for (let at = 0; at < content.length; at += pieceBytes) {
      await handle.write(content, at, Math.min(pieceBytes, content.length - at), at)
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const pieceBytes = 64 * 1024
const isRoot = process.getuid?.() === 0

testMounted(
  'a full data disk is ENOSPC, loses nothing, and works again after deletions',
  async t => {
    if (!isRoot) {
      t.log('not checked: a small disk takes root')
      t.pass()
      return
    }
    const cluster = await makeCluster(t, { servers: 1 })
    const disk = `${cluster.home}/servers/1/data`
    await mkdir(cluster.home, { mode: 0o700 })
    await mkdir(`${cluster.home}/lock`)
    await mkdir(disk, { recursive: true })
    t.is((await run('/', 'mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk])).code, 0)
    await cluster.up(t)
    const path = (index: number): string => `${cluster.mountpoint}/file-${index}`
    const promised = `${cluster.mountpoint}/promised`
    t.is((await run('/', 'fallocate', ['-l', '5000000', promised])).code, 0)

    const kept: number[] = []
    let refusal: NodeJS.ErrnoException | null = null
    for (let index = 0; refusal === null && index < 100; index++) {
      const handle = await open(path(index), 'w')
      try {
        await handle.writeFile(bytesOf(index, 2_000_000))
        await handle.sync()
        kept.push(index)
      } catch (error) {
        refusal = error as NodeJS.ErrnoException
      } finally {
        await handle.close().catch((error: NodeJS.ErrnoException) => {
          refusal ??= error
        })
      }
    }
    t.is(refusal?.code, 'ENOSPC')
    t.true(kept.length >= 18 && kept.length <= 31, `${kept.length} files of 2 MB on 64 MiB`)
    t.true(
      (await statfs(cluster.mountpoint)).bavail * (await statfs(cluster.mountpoint)).bsize < 8e6,
    )
    for (const index of kept) sameBytes(t, await readFile(path(index)), bytesOf(index, 2_000_000))

    await fill(promised, bytesOf(1000, 5_000_000))
    await fill(path(kept[0]!), bytesOf(kept[0]!, 2_000_000))
    t.is((await run('/', 'fallocate', ['-p', '-o', '100', '-l', '300000', promised])).code, 0)
    sameBytes(t, await readFile(promised), bytesOf(1000, 5_000_000).fill(0, 100, 300_100))
    for (const index of kept) sameBytes(t, await readFile(path(index)), bytesOf(index, 2_000_000))

    await unlink(path(kept.length))
    for (const index of kept.splice(0, 10)) await unlink(path(index))
    // A server that has just started keeps removed files for clients that may still have them open.
    const deadlineMs = 2 * sessionTimeoutMs + 15_000
    await eventually('there is space again', () => hasRoom(path(500)), deadlineMs)
    sameBytes(t, await readFile(path(500)), bytesOf(500, 5_000_000))
    await cluster.down(t)
    await cluster.up(t)
    t.is((await readdir(cluster.mountpoint)).length, kept.length + 2)
    for (const index of kept) sameBytes(t, await readFile(path(index)), bytesOf(index, 2_000_000))
    await cluster.isSound(t)
  },
)

testMounted(
  'a small disk with metadata and data on it fills up, and deleting all makes room for both again',
  async t => {
    if (!isRoot) {
      t.log('not checked: a small disk takes root')
      t.pass()
      return
    }
    const cluster = await makeCluster(t, { servers: 3 })
    await mkdir(cluster.home, { mode: 0o700 })
    t.is(
      (await run('/', 'mount', ['-t', 'tmpfs', '-o', 'size=180m', 'tmpfs', cluster.home])).code,
      0,
    )
    await cluster.up(t)
    await fillsAndEmpties(t, cluster, { top: cluster.mountpoint, bytes: 2_000_000 })
    // Files beside their inodes, which take no data disk.
    const created = ['volume', 'create', 'wide', '--inline-limit', '64KiB', '--home', cluster.home]
    t.is((await cluster.rookery(...created)).code, 0)
    const top = await cluster.mountAgain('wide', ['--volume', 'wide'])
    await fillsAndEmpties(t, cluster, { top, bytes: 60_000 })
  },
)

testMounted(
  'a disk that a new cluster would fill at once is refused, and left as it is',
  async t => {
    if (!isRoot) {
      t.log('not checked: a small disk takes root')
      t.pass()
      return
    }
    const cluster = await makeCluster(t)
    const disk = `${cluster.directory}/disk`
    await mkdir(disk)
    t.is((await run('/', 'mount', ['-t', 'tmpfs', '-o', 'size=100m', 'tmpfs', disk])).code, 0)
    for (const detach of [[], ['--detach']]) {
      const args = ['up', cluster.mountpoint, '--home', `${disk}/home`, ...detach]
      const { code, stderr } = await cluster.rookery(...args)
      t.regex(
        stderr,
        /^rookery: the disk of [^\n]* is full \(100 MiB free, it takes 144 MiB\)[^\n]*\n$/,
      )
      t.is(code, 1)
    }
    t.deepEqual(await readdir(disk), [])
  },
)

interface Filling {
  readonly top: string
  readonly bytes: number
}

async function fillsAndEmpties(
  t: ExecutionContext,
  cluster: ProcessCluster,
  { top, bytes }: Filling,
): Promise<void> {
  await mkdir(`${top}/d`)
  const kept = await fillUp(`${top}/d`, bytes)
  t.true(kept > 50, `${kept} files of ${bytes} bytes`)
  for (let index = 0; index < kept; index += 7) {
    sameBytes(t, await readFile(`${top}/d/${index}`), contentOf(index, bytes))
  }
  if (top === cluster.mountpoint) {
    // A disk that is full is no reason to keep anybody from starting and deleting.
    await cluster.down(t)
    await cluster.up(t)
  }
  await rm(`${top}/d`, { recursive: true })
  const deadlineMs = 2 * sessionTimeoutMs + 15_000
  await eventually('there is space again', () => hasRoom(`${top}/x`), deadlineMs)
  await rm(`${top}/x`)
  await cluster.isSound(t)
  const logs = await cluster.logs()
  t.notRegex(logs, /starting it again/)
}

/** What does not become shorter in the metadata store, which compresses. */
function contentOf(index: number, bytes: number): Buffer {
  const content = Buffer.from(noise.subarray(0, bytes))
  content.writeUInt32LE(index)
  return content
}

const noise = randomBytes(2_000_000)

/** Files of so many bytes, synced, until there is no space. @returns how many were kept. */
async function fillUp(directory: string, bytes: number): Promise<number> {
  for (let index = 0; ; index++) {
    try {
      await writeFile(`${directory}/${index}`, contentOf(index, bytes), { flush: index % 50 === 0 })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
      await rm(`${directory}/${index}`, { force: true })
      return index
    }
  }
}
