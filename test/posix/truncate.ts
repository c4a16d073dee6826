/** truncate(2) and ftruncate(2): shorter, longer, and what becomes visible again (zeros only). */
import { bytesOf, MiB, sameBytes } from './bytes.ts'
import type { Checks } from './check.ts'
import { fails, readAt, stat, withOpen, writeAt } from './expect.ts'

export const truncate: Checks = {
  'truncation keeps the first bytes': async (t, fs, directory) => {
    const content = bytesOf(1, 2 * MiB)
    const path = `${directory}/file`
    await fs.writeFile(path, content)
    for (const length of [2 * MiB - 1, MiB + 1, MiB, 70_000, 65_536, 65_535, 8_192, 8_191, 1, 0]) {
      await fs.truncate(path, length)
      t.is((await stat(fs, path)).size, BigInt(length))
      sameBytes(t, await fs.readFile(path), content.subarray(0, length), `cut to ${length}`)
    }
  },

  'extension reads as zeros': async (t, fs, directory) => {
    const path = `${directory}/file`
    await fs.writeFile(path, 'start')
    for (const length of [6, 8_192, 8_193, 65_537, MiB, 2 * MiB + 3]) {
      await fs.truncate(path, length)
      const expected = Buffer.alloc(length)
      expected.write('start')
      sameBytes(t, await fs.readFile(path), expected, `extended to ${length}`)
    }
  },

  'what was cut off does not come back when the file is extended': async (t, fs, directory) => {
    const path = `${directory}/file`
    for (const [whole, cut, extended] of [
      [3 * MiB, 100, 2 * MiB],
      [3 * MiB, MiB, 3 * MiB],
      [3 * MiB, MiB + 70_000, 3 * MiB],
      [200_000, 65_536, 150_000],
      [200_000, 0, 200_000],
      [8_000, 10, 8_000],
      [8_000, 10, 100_000],
      [100_000, 9_000, 20_000],
    ] as const) {
      const content = bytesOf(whole, whole)
      await fs.writeFile(path, content)
      await fs.truncate(path, cut)
      await fs.truncate(path, extended)
      const expected = Buffer.alloc(extended)
      content.copy(expected, 0, 0, cut)
      sameBytes(t, await fs.readFile(path), expected, `${whole} to ${cut} to ${extended}`)
    }
  },

  'what was cut off does not come back when a write leaves a hole': async (t, fs, directory) => {
    const path = `${directory}/file`
    for (const [whole, cut, position] of [
      [3 * MiB, 100, 2 * MiB],
      [200_000, 70_000, 100_000],
      [8_000, 100, 5_000],
      [200_000, 0, 5_000],
    ] as const) {
      const content = bytesOf(whole, whole)
      await fs.writeFile(path, content)
      await withOpen(fs, path, 'r+', async handle => {
        await handle.truncate(cut)
        await writeAt(handle, Buffer.from('behind'), position)
        const expected = Buffer.alloc(position + 6)
        content.copy(expected, 0, 0, cut)
        expected.write('behind', position)
        sameBytes(t, await readAt(handle, MiB * 3, 0), expected, `${whole} to ${cut}, open`)
      })
      t.is((await fs.readFile(path)).length, position + 6)
    }
  },

  'truncation through one handle is seen by another that is open': async (t, fs, directory) => {
    const path = `${directory}/file`
    await fs.writeFile(path, bytesOf(1, 300_000))
    await withOpen(fs, path, 'r', async reader => {
      t.is((await readAt(reader, 300_000, 0)).length, 300_000)
      await fs.truncate(path, 1_000)
      t.is((await reader.stat({ bigint: true })).size, 1_000n)
      t.is((await readAt(reader, 300_000, 0)).length, 1_000)
    })
  },

  'a handle that wrote goes on at its place after a truncation to zero': async (
    t,
    fs,
    directory,
  ) => {
    const path = `${directory}/log`
    await withOpen(fs, path, 'w', async handle => {
      await writeAt(handle, bytesOf(1, 20_000), 0)
      await fs.truncate(path, 0)
      await writeAt(handle, Buffer.from('after'), 20_000)
    })
    const expected = Buffer.alloc(20_005)
    expected.write('after', 20_000)
    sameBytes(t, await fs.readFile(path), expected)
  },

  'a truncation to the present length keeps the content': async (t, fs, directory) => {
    const content = bytesOf(5, 123_456)
    await fs.writeFile(`${directory}/file`, content)
    await fs.truncate(`${directory}/file`, content.length)
    sameBytes(t, await fs.readFile(`${directory}/file`), content)
  },

  'a directory cannot be truncated, nor can a handle that only reads': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/file`, 'content')
    await fails(t, fs.truncate(directory, 0), 'EISDIR')
    await fails(t, fs.truncate(`${directory}/none`, 0), 'ENOENT')
    await withOpen(fs, `${directory}/file`, 'r', async handle => {
      await fails(t, handle.truncate(0), 'EINVAL', 'EBADF')
    })
    t.is((await fs.readFile(`${directory}/file`)).toString(), 'content')
  },

  'a file of 8 TiB may be one hole, read and written at its far end': async (t, fs, directory) => {
    const path = `${directory}/vast`
    const length = 8 * 2 ** 40
    await withOpen(fs, path, 'w+', async handle => {
      await handle.truncate(length)
      t.is((await handle.stat({ bigint: true })).size, BigInt(length))
      await writeAt(handle, Buffer.from('end'), length - 3)
      t.is((await readAt(handle, 10, length - 3)).toString(), 'end')
      sameBytes(t, await readAt(handle, 100_000, length / 2), Buffer.alloc(100_000))
      await handle.truncate(10)
      sameBytes(t, await readAt(handle, 100, 0), Buffer.alloc(10))
    })
  },
}
