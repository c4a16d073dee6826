/** open(2): creating, refusing, and the flags that programs rely on. */
import { constants } from 'node:fs'
import { bytesOf, sameBytes } from './bytes.ts'
import type { Checks } from './check.ts'
import { fails, names, permissions, readAt, stat, withOpen, writeAt } from './expect.ts'

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } =
  constants

export const create: Checks = {
  'a new file is empty, regular, and has one link': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/new`, '')
    const stats = await stat(fs, `${directory}/new`)
    t.true(stats.isFile())
    t.is(stats.size, 0n)
    t.is(stats.nlink, 1n)
    t.deepEqual(await names(fs, directory), ['new'])
  },

  'opening what is not there without O_CREAT is ENOENT and makes nothing': async (
    t,
    fs,
    directory,
  ) => {
    for (const flags of [O_RDONLY, O_WRONLY, O_RDWR | O_TRUNC]) {
      await fails(t, fs.open(`${directory}/none`, flags), 'ENOENT')
    }
    t.deepEqual(await names(fs, directory), [])
  },

  'O_CREAT opens a file that is there and leaves its content and mode': async (
    t,
    fs,
    directory,
  ) => {
    const path = `${directory}/file`
    await fs.writeFile(path, 'content', { mode: 0o600 })
    const handle = await fs.open(path, O_RDWR | O_CREAT, 0o644)
    await handle.close()
    t.is((await fs.readFile(path)).toString(), 'content')
    t.is(permissions(await stat(fs, path)), 0o600)
  },

  'O_EXCL refuses a file, a directory and a dangling link that are there': async (
    t,
    fs,
    directory,
  ) => {
    await fs.writeFile(`${directory}/file`, 'kept')
    await fs.mkdir(`${directory}/dir`)
    await fs.symlink('nowhere', `${directory}/link`)
    for (const name of ['file', 'dir', 'link']) {
      await fails(t, fs.open(`${directory}/${name}`, O_WRONLY | O_CREAT | O_EXCL), 'EEXIST')
    }
    t.is((await fs.readFile(`${directory}/file`)).toString(), 'kept')
    await fails(t, fs.stat(`${directory}/nowhere`, { bigint: true }), 'ENOENT')
  },

  'of many that create one name exclusively exactly one succeeds': async (t, fs, directory) => {
    const attempts = Array.from({ length: 20 }, () => fs.open(`${directory}/lock`, 'wx'))
    const results = await Promise.allSettled(attempts)
    const opened = results.filter(result => result.status === 'fulfilled')
    for (const result of opened) await result.value.close()
    t.is(opened.length, 1)
    for (const result of results) {
      if (result.status === 'rejected') t.is(result.reason.code, 'EEXIST')
    }
  },

  'O_CREAT through a dangling link creates its target': async (t, fs, directory) => {
    await fs.symlink('target', `${directory}/link`)
    await fs.writeFile(`${directory}/link`, 'through')
    t.is((await fs.readFile(`${directory}/target`)).toString(), 'through')
    t.deepEqual(await names(fs, directory), ['link', 'target'])
  },

  'O_TRUNC empties a file but not for those who read only names': async (t, fs, directory) => {
    const path = `${directory}/file`
    await fs.writeFile(path, bytesOf(1, 100_000))
    const before = await stat(fs, path)
    const handle = await fs.open(path, O_WRONLY | O_TRUNC)
    await handle.close()
    const after = await stat(fs, path)
    t.is(after.size, 0n)
    t.is(after.ino, before.ino)
    t.is((await fs.readFile(path)).length, 0)
  },

  'O_TRUNC and a shorter content leave nothing of the longer one': async (t, fs, directory) => {
    const path = `${directory}/file`
    for (const [seed, length] of [300_000, 20_000, 100, 9000, 0, 7].entries()) {
      await fs.writeFile(path, bytesOf(seed, length))
      sameBytes(t, await fs.readFile(path), bytesOf(seed, length))
    }
  },

  'O_APPEND writes at the end whatever position is asked for': async (t, fs, directory) => {
    const path = `${directory}/log`
    await fs.writeFile(path, 'one ')
    await withOpen(fs, path, O_WRONLY | O_APPEND, async handle => {
      await handle.write(Buffer.from('two '), 0, 4, null)
      await fs.appendFile(path, 'three ')
      await handle.write(Buffer.from('four '), 0, 5, null)
    })
    t.is((await fs.readFile(path)).toString(), 'one two three four ')
  },

  'two that append at once lose none of each other’s records': async (t, fs, directory) => {
    const path = `${directory}/log`
    await fs.writeFile(path, '')
    const append = async (writer: string): Promise<void> => {
      await withOpen(fs, path, 'a', async handle => {
        for (let index = 0; index < 50; index++) {
          const record = Buffer.from(`${writer}${String(index).padStart(6, '0')}\n`)
          await handle.write(record, 0, record.length, null)
        }
      })
    }
    await Promise.all(['a', 'b', 'c'].map(append))
    const records = (await fs.readFile(path)).toString().split('\n').slice(0, -1)
    t.is(records.length, 150)
    t.is(new Set(records).size, 150)
    for (const writer of ['a', 'b', 'c']) {
      const own = records.filter(record => record.startsWith(writer))
      t.deepEqual(own, own.toSorted())
    }
  },

  'a directory cannot be opened for writing': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/dir`)
    for (const flags of [O_WRONLY, O_RDWR]) {
      await fails(t, fs.open(`${directory}/dir`, flags), 'EISDIR')
    }
    await fails(t, fs.writeFile(`${directory}/dir`, 'x'), 'EISDIR')
  },

  'O_DIRECTORY refuses a file and O_NOFOLLOW a symbolic link': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/file`, '')
    await fs.symlink('file', `${directory}/link`)
    await fails(t, fs.open(`${directory}/file`, O_RDONLY | O_DIRECTORY), 'ENOTDIR')
    await fails(t, fs.open(`${directory}/link`, O_RDONLY | O_NOFOLLOW), 'ELOOP')
  },

  'a handle opened for reading does not write, and the other way round': async (
    t,
    fs,
    directory,
  ) => {
    const path = `${directory}/file`
    await fs.writeFile(path, 'content')
    await withOpen(fs, path, 'r', async handle => {
      await fails(t, handle.write(Buffer.from('x'), 0, 1, 0), 'EBADF')
    })
    await withOpen(fs, path, O_WRONLY, async handle => {
      await fails(t, handle.read(Buffer.alloc(1), 0, 1, 0), 'EBADF')
    })
    t.is((await fs.readFile(path)).toString(), 'content')
  },

  'a new file is found by others before it is closed': async (t, fs, directory) => {
    await withOpen(fs, `${directory}/early`, 'wx', async handle => {
      t.deepEqual(await names(fs, directory), ['early'])
      await writeAt(handle, Buffer.from('seen'), 0)
      const other = await withOpen(fs, `${directory}/early`, 'r', reader => readAt(reader, 10, 0))
      t.is(other.toString(), 'seen')
    })
  },

  'the parent of a new file must be there and be a directory': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/file`, '')
    await fails(t, fs.writeFile(`${directory}/none/new`, ''), 'ENOENT')
    await fails(t, fs.writeFile(`${directory}/file/new`, ''), 'ENOTDIR')
    await fails(t, fs.mkdir(`${directory}/none/new`), 'ENOENT')
    await fails(t, fs.mkdir(`${directory}/file/new`), 'ENOTDIR')
  },
}
