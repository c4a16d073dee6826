/** Files without a name that are still open: temporary files, replaced logs and libraries. */
import { bytesOf, MiB, sameBytes } from './bytes.ts'
import type { Checks } from './check.ts'
import { fails, names, readAt, stat, withOpen, writeAt } from './expect.ts'

export const openUnlinked: Checks = {
  'an unlinked file is read and written until it is closed': async (t, fs, directory) => {
    for (const length of [10, 9_000, 2 * MiB]) {
      const path = `${directory}/temporary`
      const content = bytesOf(length, length)
      await fs.writeFile(path, content)
      await withOpen(fs, path, 'r+', async handle => {
        await fs.unlink(path)
        await fails(t, fs.stat(path, { bigint: true }), 'ENOENT')
        t.deepEqual(await names(fs, directory), [])
        sameBytes(t, await readAt(handle, length + 10, 0), content)
        await writeAt(handle, Buffer.from('more'), length)
        await handle.sync()
        const expected = Buffer.concat([content, Buffer.from('more')])
        sameBytes(t, await readAt(handle, length + 10, 0), expected)
      })
    }
  },

  'an unlinked open file has no links, and its attributes can be changed': async (
    t,
    fs,
    directory,
  ) => {
    await withOpen(fs, `${directory}/temporary`, 'w+', async handle => {
      await writeAt(handle, bytesOf(1, 100_000), 0)
      await fs.unlink(`${directory}/temporary`)
      const stats = await handle.stat({ bigint: true })
      t.is(stats.nlink, 0n)
      t.is(stats.size, 100_000n)
      await handle.chmod(0o600)
      await handle.truncate(50_000)
      t.is(Number((await handle.stat({ bigint: true })).mode & 0o777n), 0o600)
      sameBytes(t, await readAt(handle, 100_000, 0), bytesOf(1, 100_000).subarray(0, 50_000))
    })
  },

  'a new file under the old name is another file': async (t, fs, directory) => {
    const path = `${directory}/name`
    await fs.writeFile(path, 'old')
    await withOpen(fs, path, 'r+', async handle => {
      await fs.unlink(path)
      await fs.writeFile(path, 'new content')
      t.not((await handle.stat({ bigint: true })).ino, (await stat(fs, path)).ino)
      await writeAt(handle, Buffer.from('OLD'), 0)
      t.is((await readAt(handle, 20, 0)).toString(), 'OLD')
    })
    t.is((await fs.readFile(path)).toString(), 'new content')
  },

  'of two that hold an unlinked file open the second keeps it': async (t, fs, directory) => {
    const path = `${directory}/shared`
    const content = bytesOf(3, 300_000)
    await fs.writeFile(path, content)
    const first = await fs.open(path, 'r')
    await withOpen(fs, path, 'r+', async second => {
      await fs.unlink(path)
      await first.close()
      sameBytes(t, await readAt(second, 400_000, 0), content)
      await writeAt(second, Buffer.from('still'), 100)
      t.is((await readAt(second, 5, 100)).toString(), 'still')
    })
  },

  'a file that loses one of two names while open keeps the other': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/one`, 'content')
    await fs.link(`${directory}/one`, `${directory}/two`)
    await withOpen(fs, `${directory}/one`, 'r+', async handle => {
      await fs.unlink(`${directory}/one`)
      await writeAt(handle, Buffer.from('CON'), 0)
    })
    t.is((await fs.readFile(`${directory}/two`)).toString(), 'CONtent')
  },

  'an open file outlives the directory it was made in': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/dir`)
    await withOpen(fs, `${directory}/dir/file`, 'w+', async handle => {
      await writeAt(handle, Buffer.from('content'), 0)
      await fs.unlink(`${directory}/dir/file`)
      await fs.rmdir(`${directory}/dir`)
      t.is((await readAt(handle, 20, 0)).toString(), 'content')
      await writeAt(handle, bytesOf(1, 50_000), 0)
      sameBytes(t, await readAt(handle, 60_000, 0), bytesOf(1, 50_000))
    })
  },
}
