import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type TestFn } from 'ava'
import { localTree } from './local-tree.ts'
import { remove } from './rm.ts'
import type { Tree } from './tree.ts'
import { type CopyOptions, copy, measure } from './tree-copy.ts'

const test = anyTest as TestFn<{ directory: string }>

test.beforeEach(async t => {
  t.context.directory = await fs.mkdtemp(join(tmpdir(), 'rookery-copy-'))
})
test.afterEach.always(t => fs.rm(t.context.directory, { recursive: true }))

const unheard = (changes: Partial<CopyOptions> = {}): CopyOptions => ({
  durable: false,
  signal: new AbortController().signal,
  progress: () => {},
  skipped: () => {},
  ...changes,
})

function at(path: string, tree: Tree = localTree): { tree: Tree; path: string } {
  return { tree, path }
}

async function makeTree(path: string): Promise<void> {
  await fs.mkdir(join(path, 'deep', 'deeper'), { recursive: true })
  await fs.writeFile(join(path, 'empty'), '')
  await fs.writeFile(join(path, 'script'), '#!/bin/sh\n', { mode: 0o755 })
  await fs.writeFile(join(path, 'deep', 'large'), Buffer.alloc(5 * 1024 * 1024, 'rook'))
  for (let index = 0; index < 30; index++) {
    await fs.writeFile(join(path, 'deep', 'deeper', `${index}`), `${index}`)
  }
  await fs.symlink('deep/large', join(path, 'link'))
}

test('a tree is copied with its data, modes and links, and counted right', async t => {
  const from = join(t.context.directory, 'from')
  const to = join(t.context.directory, 'to')
  await makeTree(from)
  let bytes = 0
  const progress = (more: number): void => {
    bytes += more
  }
  t.is(await copy(at(from), at(to), unheard({ progress })), to)
  t.is(bytes, await measure(at(from), true))
  const large = await fs.readFile(join(to, 'deep/large'))
  t.true(large.equals(await fs.readFile(join(from, 'deep/large'))))
  t.is(await fs.readFile(join(to, 'deep/deeper/29'), 'utf8'), '29')
  t.is(await fs.readlink(join(to, 'link')), 'deep/large')
  t.is((await fs.stat(join(to, 'script'))).mode & 0o777, 0o755)
  const names = await fs.readdir(to, { recursive: true })
  t.deepEqual(names.sort(), (await fs.readdir(from, { recursive: true })).sort())
})

test('a copy to a directory goes into it, a copy to another name becomes it', async t => {
  const file = join(t.context.directory, 'a')
  await fs.writeFile(file, 'x')
  await fs.mkdir(join(t.context.directory, 'd'))
  t.is(
    `${await copy(at(file), at(join(t.context.directory, 'd')), unheard())}`,
    join(t.context.directory, 'd', 'a'),
  )
  t.is(
    await copy(at(file), at(join(t.context.directory, 'b')), unheard()),
    join(t.context.directory, 'b'),
  )
})

test('a name as long as a name can be is copied', async t => {
  const name = 'n'.repeat(255)
  await fs.writeFile(join(t.context.directory, name), 'x')
  await fs.mkdir(join(t.context.directory, 'd'))
  await copy(at(join(t.context.directory, name)), at(join(t.context.directory, 'd')), unheard())
  t.deepEqual(await fs.readdir(join(t.context.directory, 'd')), [name])
})

test('names that are not UTF-8 are copied and removed as they are', async t => {
  const bytes = (...names: string[]): Buffer => Buffer.from(join(...names), 'latin1')
  const from = join(t.context.directory, 'from')
  const to = join(t.context.directory, 'to')
  await fs.mkdir(bytes(from, 'd\xff'), { recursive: true })
  await fs.writeFile(bytes(from, 'd\xff', 'x\xff'), 'x')
  await fs.symlink(bytes('x\xff'), bytes(from, 'd\xff', 'link'))
  await fs.writeFile(bytes(from, 'x\xff'), 'not text')
  await fs.writeFile(join(from, 'x\uFFFD'), 'text')
  t.is(await measure(at(from), true), 'x'.length + 'not text'.length + 'text'.length)
  await copy(at(from), at(to), unheard())
  t.is(await fs.readFile(bytes(to, 'd\xff', 'x\xff'), 'utf8'), 'x')
  t.deepEqual(await fs.readlink(bytes(to, 'd\xff', 'link'), 'buffer'), bytes('x\xff'))
  t.is(await fs.readFile(bytes(to, 'x\xff'), 'utf8'), 'not text')
  t.is(await fs.readFile(join(to, 'x\uFFFD'), 'utf8'), 'text')
  await remove(localTree, to, true)
  t.deepEqual(await fs.readdir(t.context.directory), ['from'])
})

test('a directory is not copied unless asked for, and what is missing is ENOENT', async t => {
  await t.throwsAsync(measure(at(t.context.directory), false), { message: /use --recursive/ })
  await t.throwsAsync(measure(at(join(t.context.directory, 'none')), true), { code: 'ENOENT' })
})

test('an interrupted copy leaves whole files only', async t => {
  const from = join(t.context.directory, 'from')
  const to = join(t.context.directory, 'to')
  await makeTree(from)
  const interruption = new AbortController()
  const progress = (more: number): void => {
    if (more >= 1024 * 1024) interruption.abort(new Error('enough'))
  }
  const copying = copy(at(from), at(to), unheard({ signal: interruption.signal, progress }))
  await t.throwsAsync(copying, { message: 'enough' })
  const names = await fs.readdir(to, { recursive: true })
  t.deepEqual(
    names.filter(name => name.endsWith('.partial') || name.endsWith('large')),
    [],
  )
})

test('a durable copy has its data on the disk before it has its name', async t => {
  const steps: string[] = []
  const noting: Tree = {
    ...localTree,
    open: async (path, flags, mode) => {
      const handle = await fs.open(path, flags, mode)
      return {
        read: (...args) => handle.read(...args),
        write: (...args) => handle.write(...args),
        sync: async () => void steps.push('sync'),
        close: () => handle.close(),
      }
    },
    rename: async (from, to) => {
      steps.push('rename')
      await fs.rename(from, to)
    },
  }
  const file = join(t.context.directory, 'a')
  await fs.writeFile(file, 'x')
  const to = at(join(t.context.directory, 'b'), noting)
  await copy(at(file), to, unheard({ durable: true }))
  t.deepEqual(steps, ['sync', 'rename'])
})

test('a write that fails keeps the old file and removes the new one', async t => {
  const from = join(t.context.directory, 'new')
  const to = join(t.context.directory, 'old')
  await fs.writeFile(from, 'new')
  await fs.writeFile(to, 'old')
  const full: Tree = {
    ...localTree,
    open: async (path, flags, mode) => {
      const handle = await fs.open(path, flags, mode)
      const write = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
      return {
        read: (...args) => handle.read(...args),
        write,
        sync: () => handle.sync(),
        close: () => handle.close(),
      }
    },
  }
  await t.throwsAsync(copy(at(from), at(to, full), unheard()), { code: 'ENOSPC' })
  t.is(await fs.readFile(to, 'utf8'), 'old')
  t.deepEqual((await fs.readdir(t.context.directory)).sort(), ['new', 'old'])
})

test('a tree is removed from its leaves up, and links are not followed', async t => {
  const path = join(t.context.directory, 'tree')
  await makeTree(path)
  const kept = join(t.context.directory, 'kept')
  await fs.mkdir(kept)
  await fs.writeFile(join(kept, 'x'), '')
  await fs.symlink(kept, join(path, 'outside'))
  await remove(localTree, path, true)
  t.deepEqual(await fs.readdir(t.context.directory), ['kept'])
  t.deepEqual(await fs.readdir(kept), ['x'])
})
