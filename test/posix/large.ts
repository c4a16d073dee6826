/** Sizes that leave one block, one reply or one cache behind. */
import { bytesOf, MiB, sameBytes } from './bytes.ts'
import type { Checks } from './check.ts'
import { names, readAt, stat, withOpen, writeAt } from './expect.ts'

export const large: Checks = {
  '40 MiB written from front to back are read from back to front': async (t, fs, directory) => {
    const piece = bytesOf(1, MiB)
    const marked = (index: number): Buffer => {
      piece.writeUInt32LE(index, 0)
      return piece
    }
    await withOpen(fs, `${directory}/large`, 'w+', async handle => {
      for (let index = 0; index < 40; index++) await writeAt(handle, marked(index), index * MiB)
      await handle.sync()
      for (let index = 39; index >= 0; index--) {
        sameBytes(t, await readAt(handle, MiB, index * MiB), marked(index), `MiB ${index}`)
      }
    })
    t.is((await stat(fs, `${directory}/large`)).size, 40n * BigInt(MiB))
  },

  'one call writes and one reads 24 MiB': async (t, fs, directory) => {
    const content = bytesOf(2, 24 * MiB + 1)
    await fs.writeFile(`${directory}/whole`, content)
    sameBytes(t, await fs.readFile(`${directory}/whole`), content)
  },

  '1,000 small files are made, listed, read and removed': async (t, fs, directory) => {
    const all = Array.from({ length: 1_000 }, (_, index) => `file-${index}`)
    for (let first = 0; first < all.length; first += 50) {
      const group = all.slice(first, first + 50)
      await Promise.all(group.map(name => fs.writeFile(`${directory}/${name}`, name.repeat(10))))
    }
    t.is((await names(fs, directory)).join(), all.toSorted().join())
    for (let first = 0; first < all.length; first += 50) {
      const group = all.slice(first, first + 50)
      const contents = await Promise.all(group.map(name => fs.readFile(`${directory}/${name}`)))
      t.true(contents.every((content, index) => content.toString() === group[index]?.repeat(10)))
      await Promise.all(group.map(name => fs.unlink(`${directory}/${name}`)))
    }
    t.deepEqual(await names(fs, directory), [])
  },
}
