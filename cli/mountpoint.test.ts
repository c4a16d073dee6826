import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { MemoryFileSystem } from '../client/fuse/memory-file-system.ts'
import { mountDirect } from '../client/fuse/mount.ts'
import { mountpointFor, noMounts } from '../client/fuse/mounted.test-support.ts'
import { maxMemberTextBytes } from '../network/limits.ts'
import { checkMountpoint, isRookery, mountAt, mountName, parseMountinfo } from './mountpoint.ts'

const directory = mkdtempSync(join(tmpdir(), 'rookery-mountpoint-'))
writeFileSync(join(directory, 'file'), '')
test.after.always(() => rmSync(directory, { recursive: true }))

test('mounts are read with their escapes and optional fields', t => {
  const mounts = parseMountinfo(
    '36 35 98:0 / /mnt/a\\040b rw,noatime master:1 shared:2 - ext3 /dev/root rw\n' +
      '37 35 0:40 / /r rw - fuse.rookery rookery:default rw\n',
  )
  t.deepEqual(mounts, [
    { mountpoint: '/mnt/a b', type: 'ext3', source: '/dev/root' },
    { mountpoint: '/r', type: 'fuse.rookery', source: 'rookery:default' },
  ])
  t.deepEqual(mounts.map(isRookery), [false, true])
})

test('the root of this machine is mounted, a fresh directory is not', async t => {
  t.is((await mountAt('/'))?.mountpoint, '/')
  t.is(await mountAt(directory), null)
})

test('a missing mount point is made only when asked for', async t => {
  const path = join(directory, 'x', 'y')
  await t.throwsAsync(checkMountpoint(path, { create: false }), { message: /no such directory/ })
  t.is(await checkMountpoint(path, { create: true }), 'free')
  t.true((await stat(path)).isDirectory())
})

test('a mount point that is a file, not empty or mounted is refused', async t => {
  const options = { create: true }
  await t.throwsAsync(checkMountpoint(join(directory, 'file'), options), {
    message: /it is not a directory/,
  })
  await t.throwsAsync(checkMountpoint(directory, options), { message: /is not empty/ })
  await t.throwsAsync(checkMountpoint('/proc', options), { message: /already mounted/ })
  await t.throwsAsync(checkMountpoint('/proc/rookery', options), {
    message: /no directories can be made there/,
  })
})

const mounted = noMounts === null ? test : test.skip

mounted(
  'a mount that has heard what it is asked, and does not answer, is not waited for',
  async t => {
    const { mountpoint } = await mountpointFor(t)
    const fileSystem = new MemoryFileSystem({ wallNs: () => 0n })
    const options = { mountpoint, source: 'rookery:test', allowOther: false, readOnly: false }
    await mountDirect(fileSystem, options)
    fileSystem.getattr = () => new Promise(() => {})
    await t.throwsAsync(checkMountpoint(mountpoint, { create: false }), {
      message: /already mounted .*does not answer.*umount --force/,
    })
  },
)

test('a mount is called by its path, or by the end of one that is too long', t => {
  t.is(mountName('/mnt/r'), 'mount /mnt/r')
  for (const letter of ['a', 'é', '€', '🐦']) {
    const name = mountName(`/mnt/${letter.repeat(300)}/r`)
    t.true(Buffer.byteLength(name) <= maxMemberTextBytes)
    t.true(Buffer.byteLength(name) > maxMemberTextBytes - 4)
    t.regex(name, new RegExp(`^mount …(${letter})+/r$`, 'u'))
  }
})
