import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { chmod, mkdir, open, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { maxFuseLent, maxFuseRequests, maxFuseSlots } from '../../network/limits.ts'
import { attachThroughHelper } from './device.ts'
import { MemoryFileSystem, noCaching } from './memory-file-system.ts'
import { mountChannel, mountDirect, unmountStale } from './mount.ts'
import { exercise, mountpointFor, noMounts, run, shell } from './mounted.test-support.ts'
import { mountsAt } from './mountpoint.ts'
import { opcode } from './protocol/numbers.ts'

const real = noMounts === null ? test.serial : test.skip
const asRoot = process.geteuid?.() === 0 ? real : test.skip
const wallNs = () => BigInt(Date.now()) * 1_000_000n
const fileSystem = () => new MemoryFileSystem({ wallNs })

if (noMounts !== null) console.log(`real mounts are not tried: ${noMounts}`)

for (const name of [
  'writes',
  'truncation',
  'names',
  'links',
  'entries',
  'space',
  'times',
  'xattrs',
  'tools',
]) {
  real(`on a real mount, ${name} behave as on any file system`, async t => {
    const options = await mountpointFor(t)
    const mounted = await mountDirect(fileSystem(), options)
    await t.notThrowsAsync(exercise(options.mountpoint, name))
    await mounted.unmount()
    t.is(await mountsAt(options.mountpoint), 0)
  })
}

real('the same works when the kernel may keep names and attributes', async t => {
  const options = await mountpointFor(t)
  const { cache: authority } = new MemoryFileSystem({ wallNs })
  const cache = {
    ...authority,
    entryMs: () => 1000,
    attributesMs: () => 1000,
    mayKeepPages: () => true,
  }
  const mounted = await mountDirect(new MemoryFileSystem({ wallNs, cache }), options)
  for (const name of ['writes', 'truncation', 'names', 'links', 'entries']) {
    await exercise(options.mountpoint, name)
  }
  await mounted.unmount()
  t.pass()
})

real('what one mount writes another shows at once, also in a file that is open', async t => {
  const [here, there] = [await mountpointFor(t), await mountpointFor(t)]
  const shared = fileSystem()
  const mounts = [await mountDirect(shared, here), await mountDirect(shared, there)]
  await t.notThrowsAsync(exercise(here.mountpoint, 'coherence', there.mountpoint))
  for (const mounted of mounts) await mounted.unmount()
})

asRoot(
  'what was written is read again from the pages of the kernel, if nobody else has changed it',
  async t => {
    const options = await mountpointFor(t)
    let mayKeep = true
    const cache = { ...noCaching, mayKeepPages: () => mayKeep, hearsOfChanges: () => true }
    const mounted = await mountChannel(new MemoryFileSystem({ wallNs, cache }), options)
    const path = join(options.mountpoint, 'f')
    const data = Buffer.alloc(80 * 4096, 7)
    const reads = () => mounted.statistics().counts[opcode.read]!
    // So that the first page is not read to have the access time moved.
    const quiet = { flag: constants.O_RDONLY | constants.O_NOATIME } as const
    for (const flag of ['w', 'w+', 'r+', 'w+']) {
      const pastPages = flag === 'r+'
      await writeFile(path, data, { flag })
      const before = reads()
      t.deepEqual(await readFile(path, quiet), data)
      t.is(reads() > before, pastPages, flag)
    }
    t.true((await stat(path, { bigint: true })).mtimeNs > 0n)
    const old = await open(path, 'w')
    await old.write(data)
    await old.utimes(new Date(-1500), new Date(-1500))
    await t.notThrowsAsync(old.close(), 'of before 1970')
    t.is((await stat(path)).mtimeMs, -1500)
    await writeFile(path, data)
    mayKeep = false
    const before = reads()
    t.deepEqual(await readFile(path, quiet), data)
    t.true(reads() > before)
    await mounted.unmount()
  },
)

asRoot(
  'a process that is killed while it waits for its own mount ends, and so does the mount',
  async t => {
    const options = await mountpointFor(t)
    const script = new URL('crash.test-support.ts', import.meta.url).pathname
    const words = [script, options.mountpoint, 'ask']
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [said] = await once(child.stdout, 'data')
    t.is(String(said), 'asked\n')
    child.kill('SIGKILL')
    await once(child, 'close')
    await t.throwsAsync(stat(join(options.mountpoint, 'f')), { code: 'ENOTCONN' })
  },
)

for (const [signal, status] of [
  ['SIGKILL', null],
  ['SIGUSR2', 3],
] as const) {
  asRoot(
    `a process ends at ${signal} while the kernel waits for a page in a notice, and programs hear of it`,
    async t => {
      const options = await mountpointFor(t)
      const script = new URL('crash.test-support.ts', import.meta.url).pathname
      const words = [script, options.mountpoint, 'notice']
      const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
      await once(child.stdout, 'data')
      const program = t.throwsAsync(shell('exec printf x >"$1"', join(options.mountpoint, 'f')))
      const [said] = await once(child.stdout, 'data')
      t.is(String(said), 'waits\n')
      child.kill(signal)
      t.deepEqual(await once(child, 'close'), status === null ? [null, signal] : [status, null])
      await program
    },
  )
}

real('data may come in any number of pieces', async t => {
  const options = await mountpointFor(t)
  const shared = fileSystem()
  const { read } = shared
  let pieceBytes = 1
  shared.read = async (...words) => {
    const data = Buffer.concat(await read.apply(shared, words))
    const count = Math.ceil(data.length / pieceBytes)
    return Array.from({ length: count }, (_, index) =>
      data.subarray(index * pieceBytes, (index + 1) * pieceBytes),
    )
  }
  const mounted = await mountDirect(shared, options)
  const path = join(options.mountpoint, 'f')
  const data = Buffer.from(Array.from({ length: 3000 }, (_, index) => index % 251))
  await writeFile(path, data)
  for (pieceBytes of [1, 2, 3, 4, 50, 3000]) {
    const direct = await run('dd', [`if=${path}`, 'iflag=direct', 'bs=4096', 'status=none'], {
      encoding: 'buffer',
    })
    t.deepEqual(direct.stdout, data, `${pieceBytes}`)
  }
  await mounted.unmount()
})

asRoot('a mount that others may enter checks their permissions', async t => {
  const options = await mountpointFor(t)
  const mounted = await mountDirect(fileSystem(), { ...options, allowOther: true })
  for (const name of ['names', 'links', 'tools']) await exercise(options.mountpoint, name)
  const script = `echo secret > "$1/file"; chmod 600 "$1/file"; chmod 755 "$1"
    chmod 755 "$1"; setpriv --reuid 65534 --clear-groups sh -c 'cat "$1/file" || echo x > "$1/new"' sh "$1"`
  const failure = await t.throwsAsync(shell(script, options.mountpoint))
  t.regex(failure.message, /file: Permission denied.*new: Permission denied/s)
  await mounted.unmount()
})

real('a device that fusermount3 handed over works, and is given back', async t => {
  const options = await mountpointFor(t)
  const mounted = await mountChannel(fileSystem(), { ...options, attach: attachThroughHelper })
  await exercise(options.mountpoint, 'names')
  await mounted.unmount()
  t.is(await mountsAt(options.mountpoint), 0)
})

real('a mount that is in use is EBUSY; forced, it goes and its users get errors', async t => {
  const options = await mountpointFor(t)
  const mounted = await mountDirect(fileSystem(), options)
  const user = spawn('sh', ['-c', 'cd "$1"; echo in; read line; ls', 'sh', options.mountpoint])
  await once(user.stdout, 'data')
  await t.throwsAsync(mounted.unmount(), { code: 'EBUSY', message: /in use/ })
  await mounted.unmount({ force: true })
  await mounted.ended
  t.is(await mountsAt(options.mountpoint), 0)
  user.stdin.end('\n')
  const [status] = await once(user, 'close')
  t.not(status, 0)
})

real('`ended` resolves when somebody else unmounts', async t => {
  const options = await mountpointFor(t)
  const mounted = await mountDirect(fileSystem(), options)
  await shell('fusermount3 -u "$1"', options.mountpoint)
  await t.notThrowsAsync(mounted.ended)
  await t.notThrowsAsync(mounted.unmount())
})

real('requests that hang while the mount is forced away end with an error', async t => {
  const options = await mountpointFor(t)
  const stuck = fileSystem()
  const asked = Promise.withResolvers<void>()
  stuck.statfs = () => {
    asked.resolve()
    return new Promise(() => {})
  }
  const mounted = await mountDirect(stuck, options)
  const user = shell('stat -f "$1"', options.mountpoint)
  await asked.promise
  await mounted.unmount({ force: true })
  await t.throwsAsync(user)
})

real('an answer that comes after the end of the mount harms nobody', async t => {
  const options = await mountpointFor(t)
  const slow = fileSystem()
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  const report = await slow.statfs()
  slow.statfs = async () => {
    asked.resolve()
    await answer.promise
    return report
  }
  const mounted = await mountDirect(slow, options)
  const user = shell('stat -f "$1"', options.mountpoint)
  await asked.promise
  await mounted.unmount({ force: true })
  await t.throwsAsync(user)
  answer.resolve()
  await new Promise(setImmediate)
  t.pass()
})

real('a program killed while it waits leaves the mount working', async t => {
  const options = await mountpointFor(t)
  const slow = fileSystem()
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  const { statfs } = slow
  slow.statfs = async () => {
    asked.resolve()
    await answer.promise
    return statfs.call(slow)
  }
  const mounted = await mountDirect(slow, options)
  const user = execFile('stat', ['-f', options.mountpoint])
  const gone = once(user, 'close')
  await asked.promise
  user.kill('SIGKILL')
  answer.resolve()
  await gone
  await exercise(options.mountpoint, 'links')
  await mounted.unmount()
  t.pass()
})

real('more requests than there are slots wait their turn, and all are answered', async t => {
  const options = await mountpointFor(t)
  const gate = Promise.withResolvers<void>()
  const slow = fileSystem()
  let waiting = 0
  slow.lookup = async () => {
    waiting += 1
    if (waiting === maxFuseSlots) setImmediate(gate.resolve)
    await gate.promise
    return slow.mknod(slow.root, Buffer.from(`n${waiting}${Math.random()}`), 0o100644, 0, {
      uid: 0,
      gid: 0,
    })
  }
  const mounted = await mountDirect(slow, options)
  const script = 'i=0; while [ $i -lt 224 ]; do stat "$1/$i" > "/dev/null" & i=$((i+1)); done; wait'
  await shell(script, options.mountpoint)
  t.true(waiting >= 224)
  await mounted.unmount()
})

real('as many requests as ever are in hand at a time while all is lent that may be', async t => {
  const options = await mountpointFor(t)
  const memory = fileSystem()
  const lent: (() => void)[] = []
  memory.write = async (_file, _offset, _data, { lend }) => {
    const giveBack = lend?.() ?? null
    if (giveBack !== null) lent.push(giveBack)
  }
  const gate = Promise.withResolvers<void>()
  const { statfs } = memory
  let waiting = 0
  memory.statfs = async () => {
    if (++waiting === maxFuseRequests) gate.resolve()
    await gate.promise
    return statfs.call(memory)
  }
  const mounted = await mountDirect(memory, options)
  const { mountpoint } = options
  await shell(`dd if=/dev/zero of="$1/f" bs=1M count=${maxFuseLent + 1}`, mountpoint)
  t.is(lent.length, maxFuseLent)
  const asking = 'i=0; while [ $i -lt 140 ]; do stat -f "$1" > "/dev/null" & i=$((i+1)); done; wait'
  await shell(asking, mountpoint)
  for (const giveBack of lent) giveBack()
  await mounted.unmount()
  t.true(waiting >= 140)
})

real('an invalidated name and inode are asked for again', async t => {
  const options = await mountpointFor(t)
  const cache = { ...noCaching, entryMs: () => 60_000, attributesMs: () => 60_000 }
  const memory = new MemoryFileSystem({ wallNs, cache })
  const mounted = await mountChannel(memory, options)
  const name = Buffer.from('file')
  const { mountpoint } = options
  const { ino } = await memory.mknod(memory.root, name, 0o100644, 0, { uid: 0, gid: 0 })
  // What is open the kernel does not forget by itself, as when others need memory.
  const held = await open(join(mountpoint, 'file'))
  t.is(await shell('stat -c %a "$1/file"', mountpoint), '644\n')
  await memory.setattr(ino, { mode: 0o600 })
  t.is(await shell('stat -c %a "$1/file"', mountpoint), '644\n')
  await mounted.invalidateInode(ino)
  t.is(await shell('stat -c %a "$1/file"', mountpoint), '600\n')
  await memory.unlink(memory.root, name)
  t.is(await shell('stat -c %a "$1/file"', mountpoint), '600\n')
  await mounted.invalidateEntry(memory.root, name)
  await t.throwsAsync(shell('stat "$1/file"', mountpoint), { message: /No such file/ })
  await held.close()
  await mounted.unmount()
})

real('nothing is asked again while the kernel may keep what it knows', async t => {
  const options = await mountpointFor(t)
  const cache = { ...noCaching, entryMs: () => 60_000, attributesMs: () => 60_000 }
  const memory = new MemoryFileSystem({ wallNs, cache })
  const mounted = await mountChannel(memory, options)
  await memory.mknod(memory.root, Buffer.from('file'), 0o100644, 0, { uid: 0, gid: 0 })
  const lookups = () => mounted.statistics().counts[opcode.lookup]!
  const look = () => shell('stat "$1/file" "$1/none" || true', options.mountpoint)
  await look()
  t.true(lookups() >= 2)
  // Others may have the kernel forget all of that meanwhile, but hardly each time.
  let before: number
  do {
    before = lookups()
    for (let looks = 0; looks < 4; looks++) await look()
  } while (lookups() > before && before < 100)
  t.is(lookups(), before)
  await mounted.unmount()
})

real('a process that dies of an exception leaves no mount behind', async t => {
  const options = await mountpointFor(t)
  const script = new URL('crash.test-support.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, options.mountpoint, 'throw'], { stdio: 'ignore' })
  const [status] = await once(child, 'close')
  t.not(status, 0)
  t.is(await mountsAt(options.mountpoint), 0)
})

real('an exception in the requests callback is reported, and the mount goes on', async t => {
  const options = await mountpointFor(t)
  const script = new URL('crash.test-support.ts', import.meta.url).pathname
  const words = [script, options.mountpoint, 'callback']
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  for await (const piece of child.stdout) said += String(piece)
  t.is(said, 'thrown\nserved\n')
})

real('a killed process leaves a dead mount: mounting says so, unmountStale cleans up', async t => {
  const options = await mountpointFor(t)
  const script = new URL('crash.test-support.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, options.mountpoint, 'wait'])
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'close')
  await t.throwsAsync(mountDirect(fileSystem(), options), {
    code: 'EBUSY',
    message: /not connected.*rookery umount/,
  })
  await unmountStale(options.mountpoint)
  await t.notThrowsAsync(unmountStale(options.mountpoint))
  t.is(await mountsAt(options.mountpoint), 0)
})

real(
  'a channel survives garbage collection, and a worker that ends takes its own along',
  async t => {
    const options = await mountpointFor(t)
    const script = new URL('crash.test-support.ts', import.meta.url).pathname
    for (const how of ['collect', 'worker']) {
      const words = ['--expose-gc', script, options.mountpoint, how]
      const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
      let said = ''
      for await (const piece of child.stdout) said += String(piece)
      t.is(said, 'served\n', how)
      t.is(await mountsAt(options.mountpoint), 0)
    }
  },
)

real('a bad mountpoint is refused with what to do about it', async t => {
  const options = await mountpointFor(t)
  const at = (name: string) => ({ ...options, mountpoint: join(options.mountpoint, name) })
  await t.throwsAsync(mountDirect(fileSystem(), at('none')), { code: 'ENOENT', message: /mkdir/ })
  await writeFile(at('file').mountpoint, '')
  await t.throwsAsync(mountDirect(fileSystem(), at('file')), { code: 'ENOTDIR' })
  await t.throwsAsync(mountDirect(fileSystem(), options), { code: 'ENOTEMPTY' })
  await mkdir(at('twice').mountpoint)
  const mounted = await mountDirect(fileSystem(), at('twice'))
  await t.throwsAsync(mountDirect(fileSystem(), at('twice')), { code: 'EBUSY', message: /already/ })
  await mounted.unmount()
  await rmdir(at('twice').mountpoint)
  await rm(at('file').mountpoint)
  await chmod(options.mountpoint, 0o755)
})

real('without fusermount3 the message names the package', async t => {
  const options = await mountpointFor(t)
  const path = process.env.PATH
  process.env.PATH = '/nowhere'
  try {
    await t.throwsAsync(attachThroughHelper(options), { code: 'ENODEV', message: /install.*fuse3/ })
  } finally {
    process.env.PATH = path
  }
})
