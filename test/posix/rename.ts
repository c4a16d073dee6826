/** rename(2): atomic replacement, moves between directories, and what it must refuse. */
import { bytesOf, sameBytes } from './bytes.ts'
import type { Checks } from './check.ts'
import { fails, lstat, names, readAt, stat, withOpen, writeAt } from './expect.ts'

export const rename: Checks = {
  'a renamed file keeps its inode, content and mode': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/old`, bytesOf(1, 100_000), { mode: 0o640 })
    const before = await stat(fs, `${directory}/old`)
    await fs.rename(`${directory}/old`, `${directory}/new`)
    const after = await stat(fs, `${directory}/new`)
    t.is(after.ino, before.ino)
    t.is(after.mode, before.mode)
    t.is(after.mtimeNs, before.mtimeNs)
    sameBytes(t, await fs.readFile(`${directory}/new`), bytesOf(1, 100_000))
    t.deepEqual(await names(fs, directory), ['new'])
  },

  'rename replaces a file that is there': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/from`, 'new')
    await fs.writeFile(`${directory}/to`, 'old and longer')
    await fs.rename(`${directory}/from`, `${directory}/to`)
    t.is((await fs.readFile(`${directory}/to`)).toString(), 'new')
    t.deepEqual(await names(fs, directory), ['to'])
    t.is((await stat(fs, `${directory}/to`)).nlink, 1n)
  },

  'while a file is replaced again and again a reader always finds a whole one': async (
    t,
    fs,
    directory,
  ) => {
    const path = `${directory}/settings`
    await fs.writeFile(path, bytesOf(0, 20_000))
    let going = true
    const replace = async (): Promise<void> => {
      for (let round = 1; round <= 60; round++) {
        await fs.writeFile(`${path}.tmp`, bytesOf(round, 20_000))
        await fs.rename(`${path}.tmp`, path)
      }
      going = false
    }
    const replacing = replace()
    const valid = Array.from({ length: 61 }, (_, round) =>
      bytesOf(round, 20_000).toString('latin1'),
    )
    while (going) {
      const content = (await fs.readFile(path)).toString('latin1')
      t.true(valid.includes(content), `a torn file of ${content.length} bytes`)
    }
    await replacing
  },

  'rename moves between directories, with what lies below': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/a/inner/deep`, { recursive: true })
    await fs.mkdir(`${directory}/b`)
    await fs.writeFile(`${directory}/a/inner/deep/file`, 'content')
    await fs.writeFile(`${directory}/a/plain`, 'plain')
    await fs.rename(`${directory}/a/plain`, `${directory}/b/plain`)
    await fs.rename(`${directory}/a/inner`, `${directory}/b/moved`)
    t.deepEqual(await names(fs, `${directory}/a`), [])
    t.deepEqual(await names(fs, `${directory}/b`), ['moved', 'plain'])
    t.is((await fs.readFile(`${directory}/b/moved/deep/file`)).toString(), 'content')
    const parent = await stat(fs, `${directory}/b/moved/..`)
    t.is(parent.ino, (await stat(fs, `${directory}/b`)).ino)
  },

  'rename between directories replaces a file that is there': async (t, fs, directory) => {
    for (let index = 0; index < 8; index++) {
      const [from, to] = [`${directory}/from-${index}`, `${directory}/to-${index}`]
      await fs.mkdir(from)
      await fs.mkdir(to)
      await fs.writeFile(`${from}/file`, `new ${index}`)
      await fs.writeFile(`${to}/file`, 'old')
      await fs.rename(`${from}/file`, `${to}/file`)
      t.is((await fs.readFile(`${to}/file`)).toString(), `new ${index}`)
      t.deepEqual(await names(fs, from), [])
    }
  },

  'the file that a rename replaced stays readable where it is open': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/from`, bytesOf(1, 50_000))
    await fs.writeFile(`${directory}/to`, bytesOf(2, 50_000))
    await withOpen(fs, `${directory}/to`, 'r+', async handle => {
      await fs.rename(`${directory}/from`, `${directory}/to`)
      t.is((await handle.stat({ bigint: true })).nlink, 0n)
      sameBytes(t, await readAt(handle, 60_000, 0), bytesOf(2, 50_000))
      await writeAt(handle, Buffer.from('unseen'), 0)
    })
    sameBytes(t, await fs.readFile(`${directory}/to`), bytesOf(1, 50_000))
  },

  'a file that is renamed while it is open is written under its new name': async (
    t,
    fs,
    directory,
  ) => {
    await fs.mkdir(`${directory}/elsewhere`)
    await withOpen(fs, `${directory}/old`, 'w', async handle => {
      await writeAt(handle, Buffer.from('before '), 0)
      await fs.rename(`${directory}/old`, `${directory}/elsewhere/new`)
      await writeAt(handle, Buffer.from('after'), 7)
    })
    t.is((await fs.readFile(`${directory}/elsewhere/new`)).toString(), 'before after')
  },

  'rename of what is not there is ENOENT': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/file`, 'kept')
    await fails(t, fs.rename(`${directory}/none`, `${directory}/file`), 'ENOENT')
    await fails(t, fs.rename(`${directory}/file`, `${directory}/none/new`), 'ENOENT')
    t.is((await fs.readFile(`${directory}/file`)).toString(), 'kept')
  },

  'rename onto itself, or onto another name of the same file, does nothing': async (
    t,
    fs,
    directory,
  ) => {
    await fs.writeFile(`${directory}/one`, 'content')
    await fs.rename(`${directory}/one`, `${directory}/one`)
    await fs.link(`${directory}/one`, `${directory}/two`)
    await fs.rename(`${directory}/one`, `${directory}/two`)
    t.deepEqual(await names(fs, directory), ['one', 'two'])
    t.is((await stat(fs, `${directory}/one`)).nlink, 2n)
  },

  'a directory cannot be moved below itself': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/a/b/c`, { recursive: true })
    await fails(t, fs.rename(`${directory}/a`, `${directory}/a/x`), 'EINVAL')
    await fails(t, fs.rename(`${directory}/a`, `${directory}/a/b/c/x`), 'EINVAL')
    await fails(t, fs.rename(`${directory}/a`, `${directory}/a/b`), 'EINVAL')
    t.deepEqual(await names(fs, `${directory}/a/b`), ['c'])
  },

  'a directory does not replace its ancestor': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/a/b/c`, { recursive: true })
    await fails(t, fs.rename(`${directory}/a/b/c`, `${directory}/a`), 'ENOTEMPTY', 'EEXIST')
    t.deepEqual(await names(fs, `${directory}/a/b`), ['c'])
  },

  'a directory replaces an empty directory only': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/from/inner`, { recursive: true })
    await fs.mkdir(`${directory}/full/inner`, { recursive: true })
    await fs.mkdir(`${directory}/empty`)
    const before = (await stat(fs, directory)).nlink
    await fails(t, fs.rename(`${directory}/from`, `${directory}/full`), 'ENOTEMPTY', 'EEXIST')
    await fs.rename(`${directory}/from`, `${directory}/empty`)
    t.deepEqual(await names(fs, `${directory}/empty`), ['inner'])
    t.deepEqual(await names(fs, directory), ['empty', 'full'])
    t.is((await stat(fs, directory)).nlink, before - 1n)
  },

  'files and directories do not replace each other': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/dir`)
    await fs.writeFile(`${directory}/file`, 'kept')
    await fails(t, fs.rename(`${directory}/file`, `${directory}/dir`), 'EISDIR')
    await fails(t, fs.rename(`${directory}/dir`, `${directory}/file`), 'ENOTDIR')
    t.is((await fs.readFile(`${directory}/file`)).toString(), 'kept')
  },

  'a symbolic link is renamed and replaced as itself': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/target`, 'target')
    await fs.symlink('target', `${directory}/link`)
    await fs.writeFile(`${directory}/file`, 'file')
    await fs.rename(`${directory}/file`, `${directory}/link`)
    t.true((await lstat(fs, `${directory}/link`)).isFile())
    t.is((await fs.readFile(`${directory}/target`)).toString(), 'target')
  },

  'renames that cross each other leave one of each and no loop': async (t, fs, directory) => {
    for (let round = 0; round < 10; round++) {
      const base = `${directory}/${round}`
      await fs.mkdir(`${base}/a/x`, { recursive: true })
      await fs.mkdir(`${base}/b/y`, { recursive: true })
      const results = await Promise.allSettled([
        fs.rename(`${base}/a`, `${base}/b/y/a`),
        fs.rename(`${base}/b`, `${base}/a/x/b`),
      ])
      t.is(results.filter(result => result.status === 'fulfilled').length, 1, `round ${round}`)
      t.is((await names(fs, base)).length, 1)
      await fs.rm(base, { recursive: true, force: false })
    }
  },

  'many files moved to and fro between directories are all there': async (t, fs, directory) => {
    await Promise.all(['a', 'b', 'c'].map(name => fs.mkdir(`${directory}/${name}`)))
    const move = async (index: number): Promise<void> => {
      await fs.writeFile(`${directory}/a/${index}`, `content ${index}`)
      await fs.rename(`${directory}/a/${index}`, `${directory}/b/${index}`)
      await fs.rename(`${directory}/b/${index}`, `${directory}/c/${index}`)
      if (index % 2 === 0) await fs.rename(`${directory}/c/${index}`, `${directory}/a/${index}`)
    }
    await Promise.all(Array.from({ length: 60 }, (_, index) => move(index)))
    for (let index = 0; index < 60; index++) {
      const path = `${directory}/${index % 2 === 0 ? 'a' : 'c'}/${index}`
      t.is((await fs.readFile(path)).toString(), `content ${index}`)
    }
    t.deepEqual(await names(fs, `${directory}/b`), [])
  },
}
