/** Hard and symbolic links. */
import { constants } from 'node:fs'
import type { Checks } from './check.ts'
import { fails, lstat, names, stat, withOpen, writeAt } from './expect.ts'

export const links: Checks = {
  'a hard link is the same file, and both names count': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/one`, 'first')
    await fs.link(`${directory}/one`, `${directory}/two`)
    const [one, two] = [await stat(fs, `${directory}/one`), await stat(fs, `${directory}/two`)]
    t.is(one.ino, two.ino)
    t.is(one.nlink, 2n)
    t.is(two.nlink, 2n)
    await fs.writeFile(`${directory}/two`, 'changed')
    t.is((await fs.readFile(`${directory}/one`)).toString(), 'changed')
  },

  'a file lives until its last name is gone': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/one`, 'content')
    await fs.link(`${directory}/one`, `${directory}/two`)
    await fs.link(`${directory}/two`, `${directory}/three`)
    await fs.unlink(`${directory}/one`)
    t.is((await stat(fs, `${directory}/two`)).nlink, 2n)
    await fs.unlink(`${directory}/two`)
    t.is((await stat(fs, `${directory}/three`)).nlink, 1n)
    t.is((await fs.readFile(`${directory}/three`)).toString(), 'content')
    await fs.unlink(`${directory}/three`)
    t.deepEqual(await names(fs, directory), [])
  },

  'hard links reach across directories': async (t, fs, directory) => {
    for (let index = 0; index < 8; index++) await fs.mkdir(`${directory}/${index}`)
    await fs.writeFile(`${directory}/0/file`, 'shared')
    for (let index = 1; index < 8; index++) {
      await fs.link(`${directory}/0/file`, `${directory}/${index}/file`)
    }
    t.is((await stat(fs, `${directory}/0/file`)).nlink, 8n)
    await fs.writeFile(`${directory}/5/file`, 'by the fifth')
    for (let index = 0; index < 7; index++) {
      await fs.unlink(`${directory}/${index}/file`)
      await fs.rmdir(`${directory}/${index}`)
    }
    t.is((await stat(fs, `${directory}/7/file`)).nlink, 1n)
    t.is((await fs.readFile(`${directory}/7/file`)).toString(), 'by the fifth')
  },

  'a link needs a source that is there and a name that is free': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/file`, 'a')
    await fs.writeFile(`${directory}/taken`, 'b')
    await fails(t, fs.link(`${directory}/none`, `${directory}/new`), 'ENOENT')
    await fails(t, fs.link(`${directory}/file`, `${directory}/taken`), 'EEXIST')
    await fails(t, fs.link(`${directory}/file`, `${directory}/file`), 'EEXIST')
    await fails(t, fs.link(`${directory}/file`, `${directory}/none/new`), 'ENOENT')
    t.is((await fs.readFile(`${directory}/taken`)).toString(), 'b')
    t.is((await stat(fs, `${directory}/file`)).nlink, 1n)
  },

  'a directory cannot be linked': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/dir`)
    await fails(t, fs.link(`${directory}/dir`, `${directory}/new`), 'EPERM')
    t.is((await stat(fs, `${directory}/dir`)).nlink, 2n)
  },

  'a hard link of a symbolic link links the link': async (t, fs, directory) => {
    await fs.symlink('target', `${directory}/link`)
    await fs.link(`${directory}/link`, `${directory}/other`)
    t.is(await fs.readlink(`${directory}/other`), 'target')
    t.is((await lstat(fs, `${directory}/link`)).nlink, 2n)
  },

  'a symbolic link keeps its target as it was given': async (t, fs, directory) => {
    const targets = [
      'x',
      '..',
      '/abs/olute',
      './a/../b',
      'with space',
      'ünïcode',
      't'.repeat(4_095),
    ]
    for (const [index, target] of targets.entries()) {
      const path = `${directory}/${index}`
      await fs.symlink(target, path)
      t.is(await fs.readlink(path), target)
      const stats = await lstat(fs, path)
      t.true(stats.isSymbolicLink())
      t.is(stats.size, BigInt(Buffer.byteLength(target)))
    }
  },

  'a target of 4,096 bytes or none is refused': async (t, fs, directory) => {
    await fails(t, fs.symlink('t'.repeat(4_096), `${directory}/long`), 'ENAMETOOLONG')
    await fails(t, fs.symlink('', `${directory}/empty`), 'ENOENT')
    t.deepEqual(await names(fs, directory), [])
  },

  'links are followed through directories, relative to where they lie': async (
    t,
    fs,
    directory,
  ) => {
    await fs.mkdir(`${directory}/a/b`, { recursive: true })
    await fs.writeFile(`${directory}/a/file`, 'found')
    await fs.symlink('../file', `${directory}/a/b/up`)
    await fs.symlink('a/b', `${directory}/down`)
    await fs.symlink(`${directory}/a`, `${directory}/absolute`)
    t.is((await fs.readFile(`${directory}/down/up`)).toString(), 'found')
    t.is((await fs.readFile(`${directory}/absolute/b/up`)).toString(), 'found')
    t.is((await fs.readFile(`${directory}/down/../file`)).toString(), 'found')
    t.is(await fs.realpath(`${directory}/down/up`), await fs.realpath(`${directory}/a/file`))
  },

  'a dangling link is there, its target is not': async (t, fs, directory) => {
    await fs.symlink('nowhere', `${directory}/dangling`)
    t.true((await lstat(fs, `${directory}/dangling`)).isSymbolicLink())
    await fails(t, fs.stat(`${directory}/dangling`, { bigint: true }), 'ENOENT')
    await fails(t, fs.readFile(`${directory}/dangling`), 'ENOENT')
    await fs.unlink(`${directory}/dangling`)
    t.deepEqual(await names(fs, directory), [])
  },

  'a loop of links is ELOOP': async (t, fs, directory) => {
    await fs.symlink('two', `${directory}/one`)
    await fs.symlink('one', `${directory}/two`)
    await fs.symlink('self', `${directory}/self`)
    for (const name of ['one', 'two', 'self', 'self/below']) {
      await fails(t, fs.stat(`${directory}/${name}`, { bigint: true }), 'ELOOP')
    }
    await fails(t, fs.writeFile(`${directory}/one`, ''), 'ELOOP')
  },

  'a chain of 40 links is followed, one of 41 is ELOOP': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/0`, 'end')
    for (let index = 1; index <= 41; index++) {
      await fs.symlink(`${index - 1}`, `${directory}/${index}`)
    }
    t.is((await fs.readFile(`${directory}/40`)).toString(), 'end')
    await fails(t, fs.readFile(`${directory}/41`), 'ELOOP')
  },

  'unlink and rename act on the link, open and chmod on its target': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/target`, 'content')
    await fs.symlink('target', `${directory}/link`)
    await fs.rename(`${directory}/link`, `${directory}/moved`)
    await fs.chmod(`${directory}/moved`, 0o640)
    t.is(Number((await stat(fs, `${directory}/target`)).mode & 0o777n), 0o640)
    await withOpen(fs, `${directory}/moved`, constants.O_WRONLY, handle =>
      writeAt(handle, Buffer.from('CON'), 0),
    )
    await fs.unlink(`${directory}/moved`)
    t.is((await fs.readFile(`${directory}/target`)).toString(), 'CONtent')
    await fails(t, fs.readlink(`${directory}/target`), 'EINVAL')
  },
}
