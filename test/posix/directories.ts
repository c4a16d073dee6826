/** Directories: making, listing, removing, and their link counts. */
import type { Checks } from './check.ts'
import { fails, names, permissions, stat } from './expect.ts'

export const directories: Checks = {
  'a new directory is empty and has two links': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/new`)
    const stats = await stat(fs, `${directory}/new`)
    t.true(stats.isDirectory())
    t.is(stats.nlink, 2n)
    t.deepEqual(await names(fs, `${directory}/new`), [])
  },

  'subdirectories count as links of their parent, files do not': async (t, fs, directory) => {
    const before = (await stat(fs, directory)).nlink
    for (const name of ['a', 'b', 'c']) await fs.mkdir(`${directory}/${name}`)
    await fs.writeFile(`${directory}/file`, '')
    t.is((await stat(fs, directory)).nlink, before + 3n)
    await fs.rmdir(`${directory}/a`)
    t.is((await stat(fs, directory)).nlink, before + 2n)
    await fs.rename(`${directory}/b`, `${directory}/c/b`)
    t.is((await stat(fs, directory)).nlink, before + 1n)
    t.is((await stat(fs, `${directory}/c`)).nlink, 3n)
  },

  'mkdir refuses a name that is taken, by whatever': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/dir`)
    await fs.writeFile(`${directory}/file`, '')
    await fs.symlink('nowhere', `${directory}/link`)
    for (const name of ['dir', 'file', 'link']) {
      await fails(t, fs.mkdir(`${directory}/${name}`), 'EEXIST')
    }
  },

  'of many that make one directory exactly one succeeds': async (t, fs, directory) => {
    const attempts = Array.from({ length: 20 }, () => fs.mkdir(`${directory}/one`))
    const results = await Promise.allSettled(attempts)
    t.is(results.filter(result => result.status === 'fulfilled').length, 1)
    t.is((await stat(fs, directory)).nlink, 3n)
  },

  'mkdir sets the permissions that were asked for': async (t, fs, directory) => {
    for (const mode of [0o700, 0o755, 0o500, 0o1755]) {
      const path = `${directory}/${mode.toString(8)}`
      await fs.mkdir(path, { mode })
      t.is(permissions(await stat(fs, path)), mode)
    }
  },

  'rmdir removes an empty directory only': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/dir/inner`, { recursive: true })
    await fails(t, fs.rmdir(`${directory}/dir`), 'ENOTEMPTY', 'EEXIST')
    await fs.rmdir(`${directory}/dir/inner`)
    await fs.writeFile(`${directory}/dir/.hidden`, '')
    await fails(t, fs.rmdir(`${directory}/dir`), 'ENOTEMPTY', 'EEXIST')
    await fs.unlink(`${directory}/dir/.hidden`)
    await fs.rmdir(`${directory}/dir`)
    await fails(t, fs.stat(`${directory}/dir`, { bigint: true }), 'ENOENT')
    await fails(t, fs.rmdir(`${directory}/dir`), 'ENOENT')
  },

  'rmdir refuses a file and a link to a directory': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/dir`)
    await fs.writeFile(`${directory}/file`, '')
    await fs.symlink('dir', `${directory}/link`)
    await fails(t, fs.rmdir(`${directory}/file`), 'ENOTDIR')
    await fails(t, fs.rmdir(`${directory}/link`), 'ENOTDIR')
    t.deepEqual(await names(fs, directory), ['dir', 'file', 'link'])
  },

  'unlink refuses a directory': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/dir`)
    await fails(t, fs.unlink(`${directory}/dir`), 'EISDIR', 'EPERM')
    t.deepEqual(await names(fs, directory), ['dir'])
  },

  'a name that was removed can be taken again by something else': async (t, fs, directory) => {
    const path = `${directory}/name`
    for (let round = 0; round < 5; round++) {
      await fs.mkdir(path)
      await fs.rmdir(path)
      await fs.writeFile(path, `${round}`)
      t.is((await fs.readFile(path)).toString(), `${round}`)
      await fs.unlink(path)
      await fs.symlink('target', path)
      await fs.unlink(path)
    }
    t.deepEqual(await names(fs, directory), [])
  },

  'a listing tells the type of each entry': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/dir`)
    await fs.writeFile(`${directory}/file`, '')
    await fs.symlink('dir', `${directory}/link`)
    const types = new Map<string, string>()
    for (const entry of await fs.readdir(directory, { withFileTypes: true })) {
      const type = entry.isDirectory() ? 'dir' : entry.isFile() ? 'file' : 'other'
      types.set(entry.name, entry.isSymbolicLink() ? 'link' : type)
    }
    t.deepEqual([...types].toSorted(), [
      ['dir', 'dir'],
      ['file', 'file'],
      ['link', 'link'],
    ])
  },

  'a listing of 5,000 entries is complete while others come and go': async (t, fs, directory) => {
    const stable: string[] = []
    for (let first = 0; first < 5_000; first += 100) {
      const group = Array.from({ length: 100 }, (_, index) => `stable-${first + index}`)
      await Promise.all(group.map(name => fs.writeFile(`${directory}/${name}`, '')))
      stable.push(...group)
    }
    let going = true
    const churn = async (writer: number): Promise<void> => {
      for (let round = 0; going; round++) {
        const path = `${directory}/passing-${writer}-${round}`
        await fs.writeFile(path, '')
        if (round % 3 !== 0) await fs.unlink(path)
      }
    }
    const churning = Promise.all([churn(0), churn(1)])
    const expected = stable.toSorted()
    try {
      for (let round = 0; round < 3; round++) {
        const listed = await fs.readdir(directory)
        t.is(new Set(listed).size, listed.length, 'an entry was listed twice')
        const kept = listed.filter(name => name.startsWith('stable-')).sort()
        t.true(kept.join() === expected.join(), `${kept.length} entries instead of 5,000`)
      }
    } finally {
      going = false
      await churning
    }
  },

  'a removed tree is gone, and its parent can be removed': async (t, fs, directory) => {
    for (let branch = 0; branch < 10; branch++) {
      await fs.mkdir(`${directory}/tree/${branch}/deep/er`, { recursive: true })
      for (let index = 0; index < 10; index++) {
        await fs.writeFile(`${directory}/tree/${branch}/${index}`, 'leaf')
        await fs.writeFile(`${directory}/tree/${branch}/deep/er/${index}`, 'leaf')
      }
    }
    await fs.rm(`${directory}/tree`, { recursive: true, force: false })
    t.deepEqual(await names(fs, directory), [])
  },

  'a directory that is removed in one place takes no new entries': async (t, fs, directory) => {
    const path = `${directory}/contended`
    for (let round = 0; round < 20; round++) {
      await fs.mkdir(path)
      const [removed, created] = await Promise.allSettled([
        fs.rmdir(path),
        fs.writeFile(`${path}/file`, ''),
      ])
      t.not(removed.status, created.status, `round ${round}: ${removed.status} both`)
      if (removed.status === 'fulfilled') continue
      await fs.unlink(`${path}/file`)
      await fs.rmdir(path)
    }
  },
}
