/** Names and paths: their bytes, their limits, and how they are walked. */
import type { Checks } from './check.ts'
import { fails, names, stat } from './expect.ts'

const longest = 'n'.repeat(255)
const tooLong = 'n'.repeat(256)

export const namesAndPaths: Checks = {
  'a name may have 255 bytes': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/${longest}`, 'long')
    t.deepEqual(await names(fs, directory), [longest])
    t.is((await fs.readFile(`${directory}/${longest}`)).toString(), 'long')
    await fs.rename(`${directory}/${longest}`, `${directory}/${'m'.repeat(255)}`)
    t.deepEqual(await names(fs, directory), ['m'.repeat(255)])
  },

  'a name of 256 bytes is ENAMETOOLONG for every call': async (t, fs, directory) => {
    const path = `${directory}/${tooLong}`
    await fs.writeFile(`${directory}/file`, '')
    await fails(t, fs.writeFile(path, ''), 'ENAMETOOLONG')
    await fails(t, fs.stat(path, { bigint: true }), 'ENAMETOOLONG')
    await fails(t, fs.mkdir(path), 'ENAMETOOLONG')
    await fails(t, fs.rename(`${directory}/file`, path), 'ENAMETOOLONG')
    await fails(t, fs.link(`${directory}/file`, path), 'ENAMETOOLONG')
    await fails(t, fs.symlink('file', path), 'ENAMETOOLONG')
    await fails(t, fs.unlink(path), 'ENAMETOOLONG')
    await fails(t, fs.rmdir(path), 'ENAMETOOLONG')
    t.deepEqual(await names(fs, directory), ['file'])
  },

  'the limit of a name is counted in bytes, not in characters': async (t, fs, directory) => {
    const fits = 'ü'.repeat(127)
    await fs.writeFile(`${directory}/${fits}`, '')
    await fails(t, fs.writeFile(`${directory}/${'ü'.repeat(128)}`, ''), 'ENAMETOOLONG')
    t.deepEqual(await names(fs, directory), [fits])
  },

  'names that are not UTF-8 are kept byte by byte': async (t, fs, directory) => {
    const raw = [
      Buffer.from([0xff]),
      Buffer.from([0xff, 0xfe, 0x80, 0x41]),
      Buffer.from([0xc3]),
      Buffer.from([0xef, 0xbf, 0xbd]),
      Buffer.from([0xed, 0xa0, 0x80]),
    ]
    for (const [index, name] of raw.entries()) {
      const path = Buffer.concat([Buffer.from(`${directory}/`), name])
      await fs.writeFile(path, `file ${index}`)
    }
    const listed = await fs.readdir(directory, { encoding: 'buffer' })
    t.deepEqual(
      listed.map(name => name.toString('hex')).sort(),
      raw.map(name => name.toString('hex')).sort(),
    )
    for (const [index, name] of raw.entries()) {
      const path = Buffer.concat([Buffer.from(`${directory}/`), name])
      t.is((await fs.readFile(path)).toString(), `file ${index}`)
      await fs.unlink(path)
    }
    t.deepEqual(await names(fs, directory), [])
  },

  'every byte but slash and NUL may be in a name': async (t, fs, directory) => {
    const expected: string[] = []
    for (let byte = 1; byte < 256; byte++) {
      if (byte === 0x2f) continue
      const name = Buffer.from([0x61, byte])
      expected.push(name.toString('hex'))
      await fs.mkdir(Buffer.concat([Buffer.from(`${directory}/`), name]))
    }
    const listed = await fs.readdir(directory, { encoding: 'buffer' })
    t.deepEqual(listed.map(name => name.toString('hex')).sort(), expected.sort())
  },

  'names differ by case, by Unicode form, by spaces and dots': async (t, fs, directory) => {
    const distinct = [
      'a',
      'A',
      '\u00e9',
      'e\u0301',
      ' ',
      '  ',
      'a ',
      '...',
      '..a',
      '.a',
      '-rf',
      '*',
    ]
    for (const name of distinct) await fs.writeFile(`${directory}/${name}`, name)
    t.deepEqual(await names(fs, directory), distinct.toSorted())
    for (const name of distinct) {
      t.is((await fs.readFile(`${directory}/${name}`)).toString(), name)
    }
  },

  'dots and repeated slashes in a path are walked': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/dir`)
    await fs.writeFile(`${directory}/dir/file`, 'found')
    for (const path of ['dir//file', './dir/./file', 'dir/../dir/file', 'dir///.//file']) {
      t.is((await fs.readFile(`${directory}/${path}`)).toString(), 'found')
    }
    t.is((await stat(fs, `${directory}/dir/..`)).ino, (await stat(fs, directory)).ino)
  },

  'a file is not a directory, with a slash behind it or a name below it': async (
    t,
    fs,
    directory,
  ) => {
    await fs.writeFile(`${directory}/file`, '')
    await fails(t, fs.stat(`${directory}/file/`, { bigint: true }), 'ENOTDIR')
    await fails(t, fs.stat(`${directory}/file/below`, { bigint: true }), 'ENOTDIR')
    await fails(t, fs.readFile(`${directory}/file/`), 'ENOTDIR')
    await fails(t, fs.readdir(`${directory}/file`), 'ENOTDIR')
    t.true((await stat(fs, `${directory}/`)).isDirectory())
  },

  'the names . and .. can be neither made nor removed': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/dir`)
    await fails(t, fs.mkdir(`${directory}/dir/.`), 'EEXIST')
    await fails(t, fs.mkdir(`${directory}/dir/..`), 'EEXIST')
    await fails(t, fs.rmdir(`${directory}/dir/.`), 'EINVAL', 'EBUSY')
    await fails(t, fs.rmdir(`${directory}/dir/..`), 'ENOTEMPTY', 'EBUSY')
    await fails(t, fs.rename(`${directory}/dir/.`, `${directory}/new`), 'EBUSY', 'EINVAL')
    t.deepEqual(await names(fs, directory), ['dir'])
  },

  'an empty path is ENOENT': async (t, fs, directory) => {
    await fails(t, fs.stat('', { bigint: true }), 'ENOENT')
    await fails(t, fs.rename(`${directory}/x`, ''), 'ENOENT')
  },

  'a path of 4,095 bytes is walked, one of 4,096 is ENAMETOOLONG': async (t, fs, directory) => {
    const room = 4095 - Buffer.byteLength(directory)
    let path = directory
    for (let left = room; left > 0; ) {
      const length = Math.min(left, left - 251 === 1 ? 250 : 251)
      path += `/${'d'.repeat(length - 1)}`
      left -= length
      await fs.mkdir(path)
    }
    t.is(Buffer.byteLength(path), 4095)
    t.true((await stat(fs, path)).isDirectory())
    await fails(t, fs.stat(`${path}x`, { bigint: true }), 'ENAMETOOLONG')
  },

  'a tree of 64 levels is built, walked and removed': async (t, fs, directory) => {
    const deepest = directory + '/d'.repeat(64)
    await fs.mkdir(deepest, { recursive: true })
    await fs.writeFile(`${deepest}/file`, 'deep')
    t.is((await fs.readFile(`${deepest}/file`)).toString(), 'deep')
    await fs.rm(`${directory}/d`, { recursive: true, force: false })
    t.deepEqual(await names(fs, directory), [])
  },
}
