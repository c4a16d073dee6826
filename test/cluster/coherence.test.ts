/** Two mounts of one volume, each a process of its own. */
import {
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rmdir,
  stat,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { bytesOf, sameBytes } from '../posix/bytes.ts'
import { run } from '../posix/program.ts'
import { withSparseProgram } from '../posix/sparse.ts'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'

testMounted('two mounts see each other’s changes', async t => {
  const cluster = await startCluster(t)
  const [here, there] = [cluster.mountpoint, await cluster.mountAgain('second')]
  const rejects = (attempt: Promise<unknown>, code: string): Promise<unknown> =>
    t.throwsAsync(attempt, { code })

  await rejects(stat(`${there}/file`), 'ENOENT')
  await writeFile(`${here}/file`, 'first')
  t.is((await stat(`${there}/file`)).size, 5, 'a name that was missing before')
  t.is((await readFile(`${there}/file`)).toString(), 'first')

  await writeFile(`${here}/file`, bytesOf(1, 300_000))
  t.is((await stat(`${there}/file`)).size, 300_000)
  sameBytes(t, await readFile(`${there}/file`), bytesOf(1, 300_000), 'data at the next open')

  await writeFile(`${there}/file`, bytesOf(2, 300_000))
  sameBytes(t, await readFile(`${here}/file`), bytesOf(2, 300_000), 'data of the same length')

  await truncate(`${here}/file`, 10)
  t.is((await stat(`${there}/file`)).size, 10)
  sameBytes(t, await readFile(`${there}/file`), bytesOf(2, 300_000).subarray(0, 10))

  await chmod(`${there}/file`, 0o600)
  t.is((await stat(`${here}/file`)).mode & 0o777, 0o600)

  await rename(`${here}/file`, `${here}/renamed`)
  await rejects(stat(`${there}/file`), 'ENOENT')
  t.is((await stat(`${there}/renamed`)).size, 10)

  await mkdir(`${there}/dir`)
  await writeFile(`${here}/dir/inner`, 'x')
  t.deepEqual(await readdir(`${there}/dir`), ['inner'])
  await rejects(rmdir(`${there}/dir`), 'ENOTEMPTY')
  await unlink(`${there}/dir/inner`)
  await rmdir(`${here}/dir`)
  await rejects(writeFile(`${there}/dir/late`, ''), 'ENOENT')
  t.deepEqual(await readdir(there), ['renamed'])
})

testMounted('a file that one mount removed is read on by the other that has it open', async t => {
  const cluster = await startCluster(t)
  const [here, there] = [cluster.mountpoint, await cluster.mountAgain('second')]
  await writeFile(`${here}/file`, bytesOf(3, 2_000_000))
  const handle = await open(`${there}/file`, 'r+')
  await unlink(`${here}/file`)
  sameBytes(t, await handle.readFile(), bytesOf(3, 2_000_000))
  await handle.write(Buffer.from('still'), 0, 5, 0)
  await handle.sync()
  await handle.close()
  t.deepEqual(await readdir(there), [])
})

testMounted('of two mounts that create one name exclusively exactly one succeeds', async t => {
  const cluster = await startCluster(t)
  const mounts = [cluster.mountpoint, await cluster.mountAgain('second')]
  for (let round = 0; round < 50; round++) {
    const results = await Promise.allSettled(
      mounts.map(mount => writeFile(`${mount}/lock-${round}`, '', { flag: 'wx' })),
    )
    t.is(results.filter(result => result.status === 'fulfilled').length, 1, `round ${round}`)
  }
})

testMounted('two mounts that move directories into each other make no loop', async t => {
  const cluster = await startCluster(t)
  const places = [cluster.mountpoint, await cluster.mountAgain('second')]
  const [here, there] = places as [string, string]
  for (let round = 0; round < 10; round++) {
    const top = `round-${round}`
    await mkdir(`${here}/${top}/a/inner`, { recursive: true })
    await mkdir(`${here}/${top}/b/inner`, { recursive: true })
    const outcomes = await Promise.allSettled([
      rename(`${here}/${top}/a`, `${here}/${top}/b/inner/a`),
      rename(`${there}/${top}/b`, `${there}/${top}/a/inner/b`),
    ])
    const codes = outcomes.map(one => (one.status === 'fulfilled' ? '' : one.reason.code))
    t.is(codes.filter(code => code === '').length, 1, `${codes}`)
    t.regex(
      codes.join(''),
      /^(ENOENT|EINVAL)$/,
      'as whichever comes second is told on a local disk',
    )
    const [outer, inner] = codes[0] === '' ? ['b', 'a'] : ['a', 'b']
    for (const place of places) {
      t.deepEqual(await readdir(`${place}/${top}`), [outer])
      t.deepEqual(await readdir(`${place}/${top}/${outer}/inner/${inner}`), ['inner'])
    }
  }
})

testMounted('a directory that another mount has moved is moved on from where it is', async t => {
  const cluster = await startCluster(t)
  const [here, there] = [cluster.mountpoint, await cluster.mountAgain('second')]
  await mkdir(`${here}/a/x`, { recursive: true })
  await mkdir(`${here}/a/y`)
  await mkdir(`${here}/b`)
  const inside = await open(`${here}/a/x`)
  const { ino } = await inside.stat()
  await rename(`${there}/a/x`, `${there}/b/x`)
  await rename(`${there}/a/y`, `${there}/b/y`)
  await rename(`${here}/b/x`, `${here}/a/again`)
  t.deepEqual(await readdir(`${there}/a`), ['again'])
  t.is((await stat(`${here}/a/again`)).ino, ino)
  await writeFile(`${here}/a/again/file`, 'x')
  t.is((await inside.stat()).ino, ino)
  await inside.close()
  await rename(`${here}/a/again`, `${here}/moved`)
  t.deepEqual(await readdir(`${there}/moved`), ['file'])
  await rename(`${there}/moved`, `${there}/a/moved`)
  // Both names are those of directories that were elsewhere.
  await rename(`${here}/a/moved`, `${here}/b/y`)
  t.deepEqual(await readdir(`${there}/b`), ['y'])
  t.deepEqual(await readdir(`${here}/b/y`), ['file'])
})

testMounted('large records that two mounts append to one file are whole', async t => {
  const cluster = await startCluster(t)
  const mounts = [cluster.mountpoint, await cluster.mountAgain('second')]
  await writeFile(`${cluster.mountpoint}/log`, '')
  const sizes = [100, 5_000, 70_000, 150_000]
  const append = async (mount: string, writer: number): Promise<void> => {
    const handle = await open(`${mount}/log`, 'a')
    for (let index = 0; index < 40; index++) {
      const record = Buffer.alloc(sizes[index % sizes.length]!, 2 * index + writer)
      record.writeUInt32LE(record.length, 0)
      await handle.write(record)
    }
    await handle.close()
  }
  await Promise.all(mounts.map(append))
  for (const mount of mounts) {
    const log = await readFile(`${mount}/log`)
    let [at, torn] = [0, 0]
    for (let length = 0; at < log.length; at += length) {
      length = log.readUInt32LE(at)
      const filled = log.subarray(at + 4, at + length)
      if (!filled.equals(Buffer.alloc(length - 4, filled[0]))) torn++
      if (length < 100 || torn > 0) break
    }
    t.deepEqual([at, torn], [log.length, 0], mount)
    t.is(log.length, 20 * sizes.reduce((sum, size) => sum + size))
  }
})

testMounted('records that two mounts append to one file are all there', async t => {
  const cluster = await startCluster(t)
  const mounts = [cluster.mountpoint, await cluster.mountAgain('second')]
  await writeFile(`${cluster.mountpoint}/log`, '')
  const append = async (mount: string, index: number): Promise<void> => {
    const handle = await open(`${mount}/log`, 'a')
    for (let record = 0; record < 100; record++) {
      await handle.write(`${index}:${String(record).padStart(5, '0')}\n`)
    }
    await handle.close()
  }
  await Promise.all(mounts.map(append))
  const records = (await readFile(`${cluster.mountpoint}/log`)).toString().split('\n').slice(0, -1)
  t.is(records.length, 200)
  t.is(new Set(records).size, 200)
})

testMounted('random changes of one file through two mounts in turn agree with a model', async t => {
  const cluster = await startCluster(t)
  const paths = [cluster.mountpoint, await cluster.mountAgain('second')].map(at => `${at}/file`)
  await withSparseProgram(t, async program => {
    const seed = `${Number(process.env.SPARSE_SEED ?? Date.now() % 2 ** 31)}`
    t.log(`SPARSE_SEED=${seed}`)
    const { code, stdout, stderr } = await run(cluster.directory, program, [seed, '150', ...paths])
    t.is(code, 0, stdout + stderr)
  })
})
