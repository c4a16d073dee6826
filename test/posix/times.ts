/** Time stamps: set by hand, and moved by each operation as POSIX says. */
import type { Check, Checks, Fs } from './check.ts'
import { lstat, stat, withOpen, writeAt } from './expect.ts'

type Stamp = 'mtimeNs' | 'ctimeNs'

/** Waits until time stamps given now are later than the last one given (kernels stamp by tick). */
async function tick(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 12))
}

interface Move {
  readonly fs: Fs
  readonly path: string
  readonly act: () => Promise<unknown>
}

/** Which of the two stamps of `path` move when `act` is done. */
async function moved({ fs, path, act }: Move): Promise<readonly Stamp[]> {
  const before = await lstat(fs, path)
  await tick()
  await act()
  const after = await lstat(fs, path)
  const later = (stamp: Stamp): boolean => after[stamp] > before[stamp]
  return (['mtimeNs', 'ctimeNs'] as const).filter(later)
}

const both: readonly Stamp[] = ['mtimeNs', 'ctimeNs']
const change: readonly Stamp[] = ['ctimeNs']

const nearNow: Check = async (t, fs, directory) => {
  const from = BigInt(Date.now() - 2_000) * 1_000_000n
  await fs.writeFile(`${directory}/file`, 'x')
  await fs.mkdir(`${directory}/dir`)
  await fs.symlink('x', `${directory}/link`)
  const to = BigInt(Date.now() + 2_000) * 1_000_000n
  for (const name of ['file', 'dir', 'link']) {
    const stats = await lstat(fs, `${directory}/${name}`)
    for (const stamp of ['atimeNs', 'mtimeNs', 'ctimeNs'] as const) {
      t.true(stats[stamp] >= from && stats[stamp] <= to, `${name} ${stamp} ${stats[stamp]}`)
    }
  }
}

export const times: Checks = {
  'what is new has all three stamps at about now': nearNow,

  'utimes sets access and modification exactly, and change to now': async (t, fs, directory) => {
    const path = `${directory}/file`
    await fs.writeFile(path, '')
    const before = await stat(fs, path)
    await tick()
    await fs.utimes(path, 1_000_000_000.5, 1_234_567_890.25)
    const stats = await stat(fs, path)
    t.is(stats.atimeNs, 1_000_000_000_500_000_000n)
    t.is(stats.mtimeNs, 1_234_567_890_250_000_000n)
    t.true(stats.ctimeNs > before.ctimeNs)
    await fs.utimes(path, 0, 4_000_000_000)
    t.is((await stat(fs, path)).mtimeNs, 4_000_000_000_000_000_000n)
    t.is((await stat(fs, path)).atimeNs, 0n)
  },

  'utimes through a handle and lutimes on a link set their own': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/file`, '')
    await fs.symlink('file', `${directory}/link`)
    await withOpen(fs, `${directory}/file`, 'r+', handle => handle.utimes(100, 200))
    await fs.lutimes(`${directory}/link`, 300, 400)
    t.is((await stat(fs, `${directory}/file`)).mtimeNs, 200_000_000_000n)
    t.is((await lstat(fs, `${directory}/link`)).mtimeNs, 400_000_000_000n)
  },

  'a time that was set by hand stays when the file that was written is closed': async (
    t,
    fs,
    directory,
  ) => {
    const path = `${directory}/restored`
    await withOpen(fs, path, 'w', async handle => {
      await writeAt(handle, Buffer.from('content'), 0)
      await handle.utimes(1_000, 2_000)
    })
    t.is((await stat(fs, path)).mtimeNs, 2_000_000_000_000n)
  },

  'writing and truncating move mtime and ctime of the file': async (t, fs, directory) => {
    const path = `${directory}/file`
    await fs.writeFile(path, 'content')
    t.deepEqual(await moved({ fs, path, act: () => fs.appendFile(path, 'more') }), both)
    t.deepEqual(await moved({ fs, path, act: () => fs.truncate(path, 3) }), both)
    t.deepEqual(await moved({ fs, path, act: () => fs.truncate(path, 100) }), both)
    t.deepEqual(await moved({ fs, path, act: () => fs.writeFile(path, '') }), both)
  },

  'chmod, chown, link, rename of it move ctime only': async (t, fs, directory) => {
    const path = `${directory}/file`
    await fs.writeFile(path, 'content')
    const { uid, gid } = await stat(fs, path)
    const chown = (): Promise<void> => fs.chown(path, Number(uid), Number(gid))
    t.deepEqual(await moved({ fs, path, act: () => fs.chmod(path, 0o600) }), change)
    t.deepEqual(await moved({ fs, path, act: chown }), change)
    t.deepEqual(await moved({ fs, path, act: () => fs.link(path, `${path}2`) }), change)
    t.deepEqual(await moved({ fs, path, act: () => fs.unlink(`${path}2`) }), change)
  },

  'reading moves neither mtime nor ctime': async (t, fs, directory) => {
    const path = `${directory}/file`
    await fs.writeFile(path, 'content')
    t.deepEqual(await moved({ fs, path, act: () => fs.readFile(path) }), [])
    t.deepEqual(await moved({ fs, path: directory, act: () => fs.readdir(directory) }), [])
  },

  'the first read after a change moves atime, further ones do not': async (t, fs, directory) => {
    for (const length of [7, 100_000]) {
      const path = `${directory}/file${length}`
      await fs.writeFile(path, Buffer.alloc(length, 'x'))
      const { atimeNs, ctimeNs } = await stat(fs, path)
      await tick()
      await withOpen(fs, path, 'r', async () => undefined)
      t.is((await stat(fs, path)).atimeNs, atimeNs, 'an open alone is no access')
      t.is((await fs.readFile(path)).length, length)
      const first = await stat(fs, path)
      t.true(first.atimeNs > atimeNs)
      t.is(first.ctimeNs, ctimeNs)
      await tick()
      await fs.readFile(path)
      t.is((await stat(fs, path)).atimeNs, first.atimeNs)
      await fs.appendFile(path, 'more')
      await fs.readFile(path)
      t.true((await stat(fs, path)).atimeNs > first.atimeNs, 'read again after a change')
    }
  },

  'an atime of yesterday is moved by a read, a later one is not': async (t, fs, directory) => {
    const path = `${directory}/file`
    await fs.writeFile(path, 'content')
    const now = Date.now() / 1000
    await fs.utimes(path, now + 1_000, now - 10)
    const { atimeNs } = await stat(fs, path)
    await fs.readFile(path)
    t.is((await stat(fs, path)).atimeNs, atimeNs)
    await fs.utimes(path, now - 90_000, now - 100_000)
    await fs.readFile(path)
    t.true((await stat(fs, path)).atimeNs > BigInt(Math.floor(now - 1)) * 1_000_000_000n)
  },

  'listing a directory and reading a link move their atime': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/dir`)
    await fs.symlink('target', `${directory}/link`)
    const looks = {
      dir: () => fs.readdir(`${directory}/dir`),
      link: () => fs.readlink(`${directory}/link`),
    }
    for (const [name, look] of Object.entries(looks)) {
      const { atimeNs } = await lstat(fs, `${directory}/${name}`)
      await tick()
      await look()
      const first = await lstat(fs, `${directory}/${name}`)
      t.true(first.atimeNs > atimeNs, name)
      await tick()
      await look()
      t.is((await lstat(fs, `${directory}/${name}`)).atimeNs, first.atimeNs, name)
    }
  },

  'making and removing entries moves mtime and ctime of the directory': async (
    t,
    fs,
    directory,
  ) => {
    const path = `${directory}/dir`
    await fs.mkdir(path)
    const acts: readonly (() => Promise<unknown>)[] = [
      () => fs.writeFile(`${path}/file`, ''),
      () => fs.link(`${path}/file`, `${path}/second`),
      () => fs.symlink('x', `${path}/symlink`),
      () => fs.mkdir(`${path}/inner`),
      () => fs.rename(`${path}/file`, `${path}/renamed`),
      () => fs.unlink(`${path}/renamed`),
      () => fs.unlink(`${path}/second`),
      () => fs.rmdir(`${path}/inner`),
    ]
    for (const act of acts) t.deepEqual(await moved({ fs, path, act }), both, act.toString())
  },

  'a rename between directories moves both of them': async (t, fs, directory) => {
    for (const name of ['a', 'b']) await fs.mkdir(`${directory}/${name}`)
    await fs.writeFile(`${directory}/a/file`, '')
    await fs.mkdir(`${directory}/a/dir`)
    for (const name of ['file', 'dir']) {
      const [from, to] = [`${directory}/a/${name}`, `${directory}/b/${name}`]
      t.deepEqual(await moved({ fs, path: `${directory}/a`, act: () => fs.rename(from, to) }), both)
      t.deepEqual(await moved({ fs, path: `${directory}/b`, act: () => fs.rename(to, from) }), both)
    }
  },

  'changing a file that is there does not move its directory': async (t, fs, directory) => {
    const path = `${directory}/file`
    await fs.writeFile(path, '')
    const acts = [() => fs.appendFile(path, 'x'), () => fs.chmod(path, 0o600)]
    for (const act of acts) t.deepEqual(await moved({ fs, path: directory, act }), [])
  },

  'stamps never go back while a file is written': async (t, fs, directory) => {
    const path = `${directory}/file`
    let last = 0n
    await withOpen(fs, path, 'w', async handle => {
      for (let round = 0; round < 30; round++) {
        await writeAt(handle, Buffer.from('x'), round)
        const { mtimeNs } = await stat(fs, path)
        t.true(mtimeNs >= last)
        last = mtimeNs
      }
    })
    t.true((await stat(fs, path)).mtimeNs >= last)
  },
}
