/** File data: reading, writing, growing, holes, and many that write at once. */
import { bytesOf, chance, KiB, MiB, sameBytes } from './bytes.ts'
import type { Checks } from './check.ts'
import { readAt, stat, withOpen, writeAt } from './expect.ts'

/** Around where a file leaves its inode, where a chunk ends and where a block ends. */
const borders = [
  1,
  4095,
  4096,
  4097,
  8191,
  8192,
  8193,
  65_535,
  65_536,
  65_537,
  131_072,
  MiB - 1,
  MiB,
  MiB + 1,
  2 * MiB + 1,
]

export const data: Checks = {
  'what is written is read, at every border of storage': async (t, fs, directory) => {
    for (const length of borders) {
      const content = bytesOf(length, length)
      await fs.writeFile(`${directory}/${length}`, content)
      t.is((await stat(fs, `${directory}/${length}`)).size, BigInt(length))
    }
    for (const length of borders) {
      const read = await fs.readFile(`${directory}/${length}`)
      sameBytes(t, read, bytesOf(length, length), `${length} bytes`)
    }
  },

  'a file that grows by one byte across each border keeps what it had': async (
    t,
    fs,
    directory,
  ) => {
    for (const length of borders) {
      const path = `${directory}/${length}`
      await fs.writeFile(path, bytesOf(length, length - 1))
      await fs.appendFile(path, 'X')
      const expected = Buffer.concat([bytesOf(length, length - 1), Buffer.from('X')])
      sameBytes(t, await fs.readFile(path), expected, `${length} bytes`)
    }
  },

  'a file that grows in odd pieces is whole at every step': async (t, fs, directory) => {
    const content = bytesOf(2, 200_000)
    await withOpen(fs, `${directory}/grown`, 'w+', async handle => {
      for (let done = 0; done < content.length; ) {
        const piece = content.subarray(done, done + 7_919)
        await writeAt(handle, piece, done)
        done += piece.length
        if (done % 5 === 0) sameBytes(t, await readAt(handle, done, 0), content.subarray(0, done))
      }
    })
    sameBytes(t, await fs.readFile(`${directory}/grown`), content)
  },

  'a write in the middle changes those bytes and no others': async (t, fs, directory) => {
    const ranges = [
      [0, 1],
      [4_095, 2],
      [8_000, 400],
      [65_530, 12],
      [MiB - 3, 6],
      [MiB, 65_536],
      [300_001, 99_999],
    ] as const
    const expected = bytesOf(3, 2 * MiB + 77)
    await fs.writeFile(`${directory}/file`, expected)
    for (const [position, length] of ranges) {
      const piece = bytesOf(position + 1, length)
      await withOpen(fs, `${directory}/file`, 'r+', handle => writeAt(handle, piece, position))
      piece.copy(expected, position)
      sameBytes(t, await fs.readFile(`${directory}/file`), expected, `after ${position}+${length}`)
    }
  },

  'a small file overwritten in the middle keeps its ends': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/small`, 'abcdefghij')
    await withOpen(fs, `${directory}/small`, 'r+', handle => writeAt(handle, Buffer.from('XYZ'), 3))
    t.is((await fs.readFile(`${directory}/small`)).toString(), 'abcXYZghij')
  },

  'reading at and behind the end gives nothing': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/file`, 'ten bytes.')
    await withOpen(fs, `${directory}/file`, 'r', async handle => {
      t.is((await readAt(handle, 10, 10)).length, 0)
      t.is((await readAt(handle, 10, 5 * MiB)).length, 0)
      t.is((await readAt(handle, 100, 4)).toString(), 'bytes.')
    })
  },

  'a hole reads as zeros': async (t, fs, directory) => {
    for (const position of [100, 9 * KiB, 70 * KiB, 3 * MiB + 5]) {
      const path = `${directory}/${position}`
      await withOpen(fs, path, 'w', async handle => {
        await writeAt(handle, Buffer.from('head'), 0)
        await writeAt(handle, Buffer.from('tail'), position)
      })
      const expected = Buffer.alloc(position + 4)
      expected.write('head', 0)
      expected.write('tail', position)
      sameBytes(t, await fs.readFile(path), expected, `hole up to ${position}`)
    }
  },

  'a hole that is filled later has the new bytes between zeros': async (t, fs, directory) => {
    const path = `${directory}/holed`
    const expected = Buffer.alloc(4 * MiB)
    await withOpen(fs, path, 'w+', async handle => {
      await handle.truncate(expected.length)
      for (const position of [3 * MiB + 100, 65_536, 10, 2 * MiB - 1]) {
        const piece = bytesOf(position, 5_000)
        await writeAt(handle, piece, position)
        piece.copy(expected, position)
        sameBytes(t, await readAt(handle, expected.length, 0), expected)
      }
    })
    sameBytes(t, await fs.readFile(path), expected)
  },

  'a write of no bytes changes nothing': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/file`, 'same')
    await withOpen(fs, `${directory}/file`, 'r+', async handle => {
      t.is((await handle.write(Buffer.alloc(0), 0, 0, 1_000)).bytesWritten, 0)
    })
    t.is((await fs.readFile(`${directory}/file`)).toString(), 'same')
  },

  'what one handle writes another reads at once': async (t, fs, directory) => {
    const path = `${directory}/shared`
    await withOpen(fs, path, 'w', writer =>
      withOpen(fs, path, 'r', async reader => {
        for (let round = 0; round < 20; round++) {
          const piece = bytesOf(round, 10_000)
          await writeAt(writer, piece, round * 10_000)
          sameBytes(t, await readAt(reader, 10_000, round * 10_000), piece, `round ${round}`)
        }
      }),
    )
  },

  'writers of distinct ranges of one file lose nothing': async (t, fs, directory) => {
    const path = `${directory}/ranges`
    const pieces = Array.from({ length: 40 }, (_, index) => bytesOf(index + 1, 50_001))
    await fs.writeFile(path, '')
    await Promise.all(
      pieces.map((piece, index) =>
        withOpen(fs, path, 'r+', handle => writeAt(handle, piece, index * 50_001)),
      ),
    )
    sameBytes(t, await fs.readFile(path), Buffer.concat(pieces))
  },

  'writers of many files at once mix nothing up': async (t, fs, directory) => {
    const lengths = Array.from({ length: 60 }, (_, index) => (index * 7_001) % 150_000)
    await Promise.all(
      lengths.map((length, seed) => fs.writeFile(`${directory}/${seed}`, bytesOf(seed, length))),
    )
    for (const [seed, length] of lengths.entries()) {
      sameBytes(t, await fs.readFile(`${directory}/${seed}`), bytesOf(seed, length), `file ${seed}`)
    }
  },

  'a copy is equal to what it was made from': async (t, fs, directory) => {
    for (const length of [0, 5, 100_000, 3 * MiB + 11]) {
      await fs.writeFile(`${directory}/from`, bytesOf(length, length))
      await fs.copyFile(`${directory}/from`, `${directory}/to`)
      sameBytes(t, await fs.readFile(`${directory}/to`), bytesOf(length, length))
    }
  },

  'data is there after fsync and close, and fsync of nothing new succeeds': async (
    t,
    fs,
    directory,
  ) => {
    const content = bytesOf(9, 400_000)
    await withOpen(fs, `${directory}/synced`, 'w', async handle => {
      await writeAt(handle, content, 0)
      await handle.sync()
      await handle.sync()
      await handle.datasync()
    })
    sameBytes(t, await fs.readFile(`${directory}/synced`), content)
  },

  'random writes, reads and truncations agree with a model': async (t, fs, directory) => {
    const seed = Number(process.env.POSIX_SEED ?? Date.now() % 2 ** 31)
    t.log(`POSIX_SEED=${seed}`)
    const next = chance(seed)
    let model = Buffer.alloc(0)
    await withOpen(fs, `${directory}/mixed`, 'w+', async handle => {
      for (let step = 0; step < 250; step++) {
        const kind = next(10)
        const position = next(next(2) === 0 ? 20_000 : 2 * MiB + 300_000)
        if (kind < 5) {
          const piece = bytesOf(next(2 ** 31), next(next(3) === 0 ? 200_000 : 9_000) + 1)
          const grown = Buffer.alloc(Math.max(model.length, position + piece.length))
          model.copy(grown)
          piece.copy(grown, position)
          model = grown
          await writeAt(handle, piece, position)
        } else if (kind < 7) {
          const cut = Buffer.alloc(position)
          model.copy(cut)
          model = cut
          await handle.truncate(position)
        } else {
          const length = next(150_000)
          const expected = model.subarray(position, position + length)
          const what = `seed ${seed} step ${step} at ${position}`
          sameBytes(t, await readAt(handle, length, position), expected, what)
        }
        if (step % 50 === 49) {
          sameBytes(
            t,
            await readAt(handle, model.length + 1, 0),
            model,
            `seed ${seed} step ${step}`,
          )
        }
      }
    })
    sameBytes(t, await fs.readFile(`${directory}/mixed`), model, `seed ${seed} at the end`)
  },
}
