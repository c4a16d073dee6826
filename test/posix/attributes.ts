/** Modes, owners and what stat(2) and statfs(2) say. */
import { constants } from 'node:fs'
import { bytesOf } from './bytes.ts'
import type { Checks } from './check.ts'
import { fails, lstat, permissions, stat, withOpen, writeAt } from './expect.ts'

export const attributes: Checks = {
  'chmod sets all twelve bits, on files and directories': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/file`, '')
    await fs.mkdir(`${directory}/dir`)
    for (const mode of [0o000, 0o644, 0o777, 0o4755, 0o2755, 0o1777, 0o7777]) {
      for (const name of ['file', 'dir']) {
        await fs.chmod(`${directory}/${name}`, mode)
        t.is(permissions(await stat(fs, `${directory}/${name}`)), mode)
      }
    }
    t.true((await stat(fs, `${directory}/file`)).isFile())
    t.true((await stat(fs, `${directory}/dir`)).isDirectory())
  },

  'a file is created with the mode that was asked for': async (t, fs, directory) => {
    for (const mode of [0o600, 0o644, 0o400, 0o755, 0o700]) {
      const path = `${directory}/${mode.toString(8)}`
      const handle = await fs.open(path, 'wx', mode)
      await writeAt(handle, Buffer.from('writable once'), 0)
      await handle.close()
      t.is(permissions(await stat(fs, path)), mode)
    }
  },

  'size and blocks follow the data': async (t, fs, directory) => {
    const path = `${directory}/file`
    await fs.writeFile(path, '')
    t.is((await stat(fs, path)).size, 0n)
    t.is((await stat(fs, path)).blocks, 0n)
    await withOpen(fs, path, 'r+', async handle => {
      await writeAt(handle, bytesOf(1, 300_000), 0)
      t.is((await handle.stat({ bigint: true })).size, 300_000n)
      await handle.sync()
      t.true((await handle.stat({ bigint: true })).blocks * 512n >= 300_000n)
    })
    t.true((await stat(fs, path)).blksize >= 512n)
  },

  'each inode has a number of its own that stays': async (t, fs, directory) => {
    const numbers = new Map<string, bigint>()
    for (let index = 0; index < 50; index++) {
      const path = `${directory}/${index}`
      if (index % 2 === 0) await fs.writeFile(path, '')
      else await fs.mkdir(path)
      numbers.set(path, (await stat(fs, path)).ino)
    }
    t.is(new Set(numbers.values()).size, 50)
    for (const [path, ino] of numbers) t.is((await lstat(fs, path)).ino, ino)
  },

  'a handle and the path tell the same attributes': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/file`, 'content', { mode: 0o640 })
    await withOpen(fs, `${directory}/file`, 'r', async handle => {
      const [open, named] = [
        await handle.stat({ bigint: true }),
        await stat(fs, `${directory}/file`),
      ]
      for (const field of ['ino', 'mode', 'nlink', 'uid', 'gid', 'size', 'mtimeNs'] as const) {
        t.is(open[field], named[field], field)
      }
    })
  },

  'attributes changed by path are seen through a handle, and the other way round': async (
    t,
    fs,
    directory,
  ) => {
    await fs.writeFile(`${directory}/file`, 'content')
    await withOpen(fs, `${directory}/file`, 'r+', async handle => {
      await fs.chmod(`${directory}/file`, 0o604)
      t.is(permissions(await handle.stat({ bigint: true })), 0o604)
      await handle.chmod(0o640)
      t.is(permissions(await stat(fs, `${directory}/file`)), 0o640)
    })
  },

  'what is not there has no attributes': async (t, fs, directory) => {
    const path = `${directory}/none`
    await fails(t, fs.stat(path, { bigint: true }), 'ENOENT')
    await fails(t, fs.lstat(path, { bigint: true }), 'ENOENT')
    await fails(t, fs.chmod(path, 0o644), 'ENOENT')
    await fails(t, fs.chown(path, 0, 0), 'ENOENT')
    await fails(t, fs.utimes(path, 0, 0), 'ENOENT')
    await fails(t, fs.access(path), 'ENOENT')
    await fs.writeFile(path, '')
    await fs.access(path, constants.F_OK | constants.R_OK | constants.W_OK)
  },

  'statfs tells plausible numbers': async (t, fs, directory) => {
    const space = await fs.statfs(directory)
    t.true(space.bsize >= 512)
    t.true(space.blocks > 0)
    t.true(space.bfree > 0 && space.bfree <= space.blocks)
    t.true(space.bavail <= space.bfree)
    t.true(space.ffree > 0 && space.ffree < space.files)
  },
}

const isRoot = process.getuid?.() === 0

/** Only root may give files away. */
export const owners: Checks = isRoot
  ? {
      'chown sets owner and group, each alone and both': async (t, fs, directory) => {
        const path = `${directory}/file`
        await fs.writeFile(path, '')
        const { gid } = await stat(fs, path)
        await fs.chown(path, 1_234, Number(gid))
        t.is((await stat(fs, path)).uid, 1_234n)
        await fs.chown(path, -1, 5_678)
        const stats = await stat(fs, path)
        t.deepEqual([stats.uid, stats.gid], [1_234n, 5_678n])
      },

      'lchown changes a link and not its target': async (t, fs, directory) => {
        await fs.writeFile(`${directory}/file`, '')
        await fs.symlink('file', `${directory}/link`)
        await fs.lchown(`${directory}/link`, 1_234, 5_678)
        t.is((await lstat(fs, `${directory}/link`)).uid, 1_234n)
        t.not((await stat(fs, `${directory}/file`)).uid, 1_234n)
      },

      'in a setgid directory new files and directories get its group': async (t, fs, directory) => {
        await fs.mkdir(`${directory}/shared`)
        await fs.chown(`${directory}/shared`, 0, 4_321)
        await fs.chmod(`${directory}/shared`, 0o2775)
        await fs.writeFile(`${directory}/shared/file`, '')
        await fs.mkdir(`${directory}/shared/dir`)
        await fs.symlink('file', `${directory}/shared/link`)
        t.is((await stat(fs, `${directory}/shared/file`)).gid, 4_321n)
        t.is((await lstat(fs, `${directory}/shared/link`)).gid, 4_321n)
        const inner = await stat(fs, `${directory}/shared/dir`)
        t.is(inner.gid, 4_321n)
        t.is(permissions(inner) & 0o2000, 0o2000, 'the directory hands setgid on')
      },

      'chown of an executable takes setuid and setgid away': async (t, fs, directory) => {
        const path = `${directory}/program`
        await fs.writeFile(path, '')
        await fs.chmod(path, 0o6755)
        await fs.chown(path, 1_234, 5_678)
        t.is(permissions(await stat(fs, path)), 0o755)
      },
    }
  : {}
