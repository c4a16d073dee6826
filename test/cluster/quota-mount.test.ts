/** A quota as the programs on a mount meet it: dd, df, and the command that sets it. */
import { readFile, statfs, unlink } from 'node:fs/promises'
import { run } from '../posix/program.ts'
import { testMounted } from './fuse.ts'
import { makeCluster } from './processes.ts'

const MiB = 1024 * 1024

testMounted('dd on a volume with a quota stops at it, and df shows it', async t => {
  const cluster = await makeCluster(t, { servers: 2 })
  await cluster.up(t)
  const { mountpoint, home } = cluster
  const set = (...args: string[]) =>
    cluster.rookery('volume', 'set', 'default', ...args, '--home', home)
  t.is((await set()).code, 2)
  t.is((await set('--quota', '20MiB', '--quota-files', '100')).code, 0)
  const before = await statfs(mountpoint)
  t.is(before.blocks * before.bsize, 20 * MiB)
  t.is(before.files, 100)
  t.is(before.ffree, 99)

  const write = (name: string, count: number, ...more: string[]) =>
    run(mountpoint, 'dd', ['if=/dev/urandom', `of=${name}`, 'bs=1M', `count=${count}`, ...more])
  t.is((await write('kept', 8)).code, 0)
  const kept = await readFile(`${mountpoint}/kept`)
  const over = await write('over', 30)
  t.not(over.code, 0)
  t.regex(over.stderr, /Disk quota exceeded/)
  const full = await statfs(mountpoint)
  t.is(full.bavail, 0)
  t.is(full.ffree, 97)
  t.deepEqual(await readFile(`${mountpoint}/kept`), kept)
  t.is((await write('kept', 8, 'conv=notrunc')).code, 0)
  const listed = await cluster.rookery('volume', 'list', '--home', home)
  t.regex(listed.stdout, /default .* 20 MiB of 20 MiB +3 of 100/)

  await unlink(`${mountpoint}/over`)
  t.is((await write('again', 12)).code, 0)
  t.is((await set('--quota', 'none', '--quota-files', 'none')).code, 0)
  t.is((await write('more', 5)).code, 0)
  await cluster.isSound(t)
  await cluster.down(t)
})
