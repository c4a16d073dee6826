/** Holes, allocated space and what a file takes of the disk: fallocate(2), lseek(2), copy_file_range(2), st_blocks. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { bytesOf, MiB } from './bytes.ts'
import type { Checks, Fs, Path } from './check.ts'
import { stat, withOpen, writeAt } from './expect.ts'
import { isInstalled, python, run, shell } from './program.ts'

const source = fileURLToPath(new URL('./sparse.c', import.meta.url))
const statBlockBytes = 512

async function taken(fs: Fs, path: Path): Promise<number> {
  return Number((await stat(fs, path)).blocks) * statBlockBytes
}

/** Of any file system. */
export const space: Checks = {
  'a hole takes no space, and what is written takes its own': async (t, fs, directory) => {
    const path = `${directory}/file`
    await withOpen(fs, path, 'w', async handle => {
      await handle.truncate(1024 * MiB)
      t.true((await taken(fs, path)) < MiB / 4)
      await writeAt(handle, bytesOf(1, 2 * MiB), 512 * MiB)
      await handle.sync()
    })
    const bytes = await taken(fs, path)
    t.true(bytes >= 2 * MiB && bytes < 2.5 * MiB, `${bytes}`)
    await fs.truncate(path, 513 * MiB)
    const left = await taken(fs, path)
    t.true(left >= MiB && left < 1.5 * MiB, `${left}`)
    await fs.truncate(path, 0)
    t.is(await taken(fs, path), 0)
  },

  'a small file that has data does not look like one hole': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/file`, 'data', { flag: 'w' })
    await withOpen(fs, `${directory}/file`, 'r+', handle => handle.sync())
    t.true((await taken(fs, `${directory}/file`)) > 0)
  },

  'what is written over again takes its space once': async (t, fs, directory) => {
    const path = `${directory}/file`
    await withOpen(fs, path, 'w', async handle => {
      for (let round = 0; round < 5; round++) await writeAt(handle, bytesOf(round, MiB), 0)
      for (let at = 0; at < MiB; at += 100_000) await writeAt(handle, bytesOf(at, 5_000), at)
      await handle.sync()
    })
    const bytes = await taken(fs, path)
    t.true(bytes >= MiB && bytes <= 1.25 * MiB, `${bytes}`)
  },
}

/** Runs fallocate(1); false where the program or the file system cannot do it. */
async function fallocate(t: ExecutionContext, directory: string, ...args: string[]) {
  const { code, stderr } = await run(directory, 'fallocate', args)
  if (code === 0) return true
  t.regex(stderr, /not supported|ENOENT/)
  t.log(`not checked: fallocate ${args.join(' ')}: ${stderr}`)
  t.pass()
  return false
}

/** Compiles sparse.c for as long as `use` takes; where there is no compiler the check says so and passes. */
export async function withSparseProgram(
  t: ExecutionContext,
  use: (program: string) => Promise<void>,
): Promise<void> {
  if (!isInstalled('cc')) {
    t.log('not checked: it takes a C compiler')
    t.pass()
    return
  }
  const build = await mkdtemp(`${tmpdir()}/rookery-sparse-`)
  try {
    const program = `${build}/sparse`
    const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source]
    const compiled = await run(build, 'cc', flags)
    t.is(compiled.code, 0, compiled.stderr)
    await use(program)
  } finally {
    await rm(build, { recursive: true, force: true })
  }
}

/** Of what programs see through the kernel. */
export const sparse: Checks = {
  'random changes of every kind agree with a model': async (t, _fs, directory) => {
    await withSparseProgram(t, async program => {
      const first = Number(process.env.SPARSE_SEED ?? Date.now() % 2 ** 31)
      for (let seed = first; seed < first + 3; seed++) {
        t.log(`SPARSE_SEED=${seed}`)
        const args = [`${seed}`, '100', `${directory}/${seed}`]
        const { code, stdout, stderr } = await run(directory, program, args)
        t.is(code, 0, stdout + stderr)
      }
    })
  },

  'space that is allocated is there and is zeros, and the size is kept where that is wanted':
    async (t, fs, directory) => {
      const path = `${directory}/file`
      await fs.writeFile(path, 'head')
      if (!(await fallocate(t, directory, '-n', '-l', `${4 * MiB}`, 'file'))) return
      t.is((await stat(fs, path)).size, 4n)
      t.true((await taken(fs, path)) >= 4 * MiB)
      await fs.truncate(path, 3 * MiB)
      const expected = Buffer.alloc(3 * MiB)
      expected.write('head')
      t.true((await fs.readFile(path)).equals(expected))
      t.true(await fallocate(t, directory, '-o', `${4 * MiB}`, '-l', '1000', 'file'))
      t.is((await stat(fs, path)).size, BigInt(4 * MiB + 1000))
    },

  'a truncation to the size that a file has frees what was allocated behind its end': async (
    t,
    fs,
    directory,
  ) => {
    const path = `${directory}/file`
    for (const length of [0, 10_000, 5 * MiB + 10]) {
      await fs.writeFile(path, bytesOf(1, length))
      if (!(await fallocate(t, directory, '-n', '-l', `${16 * MiB}`, 'file'))) return
      t.true((await taken(fs, path)) >= 16 * MiB)
      await fs.truncate(path, length)
      const left = await taken(fs, path)
      t.true(left <= length + 65_536, `${left} bytes for ${length}`)
      t.true((await fs.readFile(path)).equals(bytesOf(1, length)))
      await fs.truncate(path, 16 * MiB)
      const expected = Buffer.concat([bytesOf(1, length)], 16 * MiB)
      t.true((await fs.readFile(path)).equals(expected))
    }
  },

  'a punched hole gives its space back, reads as zeros and is found': async (t, fs, directory) => {
    const path = `${directory}/file`
    const content = bytesOf(1, 4 * MiB)
    await fs.writeFile(path, content)
    const [from, to] = [MiB - 70_000, 3 * MiB + 5_000]
    const range = ['-o', `${from}`, '-l', `${to - from}`]
    if (!(await fallocate(t, directory, '-p', ...range, 'file'))) return
    content.fill(0, from, to)
    t.true((await fs.readFile(path)).equals(content))
    t.is((await stat(fs, path)).size, BigInt(4 * MiB))
    t.true((await taken(fs, path)) < 2.25 * MiB)
    await shell(t, directory, 'cp --sparse=always file copy && cmp file copy')
  },

  'what a program changed in mapped pages is no hole': async (t, _fs, directory) => {
    const script = `
import mmap, os
fd = os.open('mapped', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 4 << 20)
mapped = mmap.mmap(fd, 4 << 20)
mapped[(2 << 20) + 10:(2 << 20) + 15] = b'hello'
assert os.lseek(fd, 0, os.SEEK_DATA) <= (2 << 20) + 10
assert os.lseek(fd, 2 << 20, os.SEEK_DATA) <= (2 << 20) + 10
assert mapped[(2 << 20) + 10:(2 << 20) + 15] == b'hello'
`
    await python(t, directory, script)
  },

  'a copy by cp is the same, holes and all': async (t, fs, directory) => {
    const path = `${directory}/file`
    await withOpen(fs, path, 'w', async handle => {
      await writeAt(handle, bytesOf(1, 300_000), 5 * MiB)
      await writeAt(handle, bytesOf(2, 10), 40 * MiB)
    })
    await shell(t, directory, 'cp file copy && cmp file copy')
    t.true((await taken(fs, `${directory}/copy`)) < 2 * MiB)
  },
}
