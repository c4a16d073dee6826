import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { MemoryFileSystem } from './memory-file-system.ts'
import { mountDirect } from './mount.ts'
import { exercise, mountpointFor, noMounts, shell } from './mounted.test-support.ts'
import { mountsAt } from './mountpoint.ts'
import { mountFuseNative } from './native.ts'
import { loadNativeLibrary } from './native-library.ts'

const reason = noMounts ?? whyNot()
const real = reason === null ? test.serial : test.skip
const fileSystem = () => new MemoryFileSystem({ wallNs: () => BigInt(Date.now()) * 1_000_000n })

/** The package is optional. */
function whyNot(): string | null {
  try {
    loadNativeLibrary()
    return null
  } catch (error) {
    return String(error)
  }
}

if (reason !== null) console.log(`fuse-native is not tried: ${reason}`)

for (const name of ['writes', 'truncation', 'names', 'entries', 'space']) {
  real(`through fuse-native, ${name} behave as on any file system`, async t => {
    const options = await mountpointFor(t)
    const mounted = await mountFuseNative(fileSystem(), options)
    await t.notThrowsAsync(exercise(options.mountpoint, name))
    await mounted.unmount()
    t.is(await mountsAt(options.mountpoint), 0)
  })
}

real('through fuse-native, setting times is refused rather than done wrongly', async t => {
  const options = await mountpointFor(t)
  const mounted = await mountFuseNative(fileSystem(), options)
  await t.throwsAsync(exercise(options.mountpoint, 'times'), { message: /ENOSYS/ })
  await mounted.unmount()
})

real('a read-only mount refuses writing, through either backend', async t => {
  for (const mount of [mountFuseNative, mountDirect]) {
    const options = await mountpointFor(t)
    const mounted = await mount(fileSystem(), { ...options, readOnly: true })
    await t.throwsAsync(shell('echo x > "$1/file"', options.mountpoint), { message: /Read-only/ })
    await mounted.unmount()
  }
})

real('a fuse-native mount in use is EBUSY; forced, it goes', async t => {
  const options = await mountpointFor(t)
  const mounted = await mountFuseNative(fileSystem(), options)
  const user = spawn('sh', ['-c', 'cd "$1"; echo in; read line', 'sh', options.mountpoint])
  await once(user.stdout, 'data')
  await t.throwsAsync(mounted.unmount(), { code: 'EBUSY' })
  await mounted.unmount({ force: true })
  t.is(await mountsAt(options.mountpoint), 0)
  user.stdin.end('\n')
  await once(user, 'close')
})

real('`ended` of a fuse-native mount resolves when somebody else unmounts', async t => {
  const options = await mountpointFor(t)
  const mounted = await mountFuseNative(fileSystem(), options)
  await shell('fusermount3 -u "$1"', options.mountpoint)
  await t.notThrowsAsync(mounted.ended)
})
