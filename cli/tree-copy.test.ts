import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import * as fs from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type TestFn } from 'ava'
import { localTree } from './local-tree.ts'
import { remove } from './rm.ts'
import type { Tree, TreeHandle } from './tree.ts'
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

function changed(handle: TreeHandle, changes: Partial<TreeHandle>): TreeHandle {
  return {
    read: (...args) => handle.read(...args),
    write: (...args) => handle.write(...args),
    chmod: mode => handle.chmod(mode),
    chown: (uid, gid) => handle.chown(uid, gid),
    sync: () => handle.sync(),
    close: () => handle.close(),
    ...changes,
  }
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code })
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
      return changed(handle, { sync: async () => void steps.push('sync') })
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
      return changed(handle, { write: () => Promise.reject(coded('ENOSPC')) })
    },
  }
  await t.throwsAsync(copy(at(from), at(to, full), unheard()), { code: 'ENOSPC' })
  t.is(await fs.readFile(to, 'utf8'), 'old')
  t.deepEqual((await fs.readdir(t.context.directory)).sort(), ['new', 'old'])
})

test('a copy to a link replaces or makes what it leads to, and the link stays', async t => {
  const { directory } = t.context
  await fs.mkdir(join(directory, 'far', 'farther'), { recursive: true })
  await fs.writeFile(join(directory, 'from'), 'new')
  await fs.writeFile(join(directory, 'far', 'there'), 'old')
  await fs.symlink('far/farther', join(directory, 'in'))
  for (const name of ['there', 'missing']) {
    const link = join(directory, `to-${name}`)
    await fs.symlink(`in/../${name}`, link)
    await copy(at(join(directory, 'from')), at(link), unheard())
    t.is(await fs.readFile(join(directory, 'far', name), 'utf8'), 'new')
    t.is(await fs.readlink(link), `in/../${name}`)
  }
  await fs.symlink('loop', join(directory, 'loop'))
  const looping = copy(at(join(directory, 'from')), at(join(directory, 'loop')), unheard())
  await t.throwsAsync(looping, { code: 'ELOOP' })
})

test('a pipe is written to, also through a link', async t => {
  const from = join(t.context.directory, 'from')
  const pipe = join(t.context.directory, 'pipe')
  const link = join(t.context.directory, 'link')
  await fs.writeFile(from, 'x')
  execFileSync('mkfifo', [pipe])
  await fs.symlink('pipe', link)
  const reader = await fs.open(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  await copy(at(from), at(pipe), unheard())
  await copy(at(from), at(link), unheard())
  t.is(`${(await reader.read(Buffer.alloc(8), 0, 8)).buffer}`.slice(0, 3), 'xx\0')
  await reader.close()
  t.true((await fs.lstat(pipe)).isFIFO())
  t.true((await fs.lstat(link)).isSymbolicLink())
})

test('what cannot be written to is told, and stays', async t => {
  const from = join(t.context.directory, 'from')
  const to = join(t.context.directory, 'to')
  await fs.mkdir(from)
  await fs.writeFile(join(from, 'x'), 'x')
  await fs.mkdir(join(to, 'from', 'x'), { recursive: true })
  const socket = join(t.context.directory, 'socket')
  const server = createServer().listen(socket)
  await once(server, 'listening')
  await t.throwsAsync(copy(at(join(from, 'x')), at(socket), unheard()), {
    message: `${socket} is a socket: remove it first`,
  })
  await t.throwsAsync(copy(at(from), at(to), unheard()), {
    message: `${join(to, 'from', 'x')} is a directory: remove it first`,
  })
  t.true((await fs.lstat(socket)).isSocket())
  t.deepEqual((await fs.readdir(t.context.directory)).sort(), ['from', 'socket', 'to'])
  server.close()
})

test('a file that is replaced keeps its mode and owner, and is private before', async t => {
  const from = join(t.context.directory, 'from')
  const to = join(t.context.directory, 'to')
  await fs.writeFile(from, 'new', { mode: 0o644 })
  const modes: number[] = []
  const owners: number[][] = []
  const noting = (refused: boolean): Tree => ({
    ...localTree,
    open: async (path, flags, mode) => {
      const handle = await fs.open(path, flags, mode)
      return changed(handle, {
        write: async (...args) => {
          modes.push((await handle.stat()).mode & 0o7777)
          return handle.write(...args)
        },
        chown: async (uid, gid) => {
          if (refused) throw coded('EPERM')
          owners.push([uid, gid])
        },
      })
    },
  })
  for (const refused of [false, true]) {
    await fs.writeFile(to, 'old')
    await fs.chmod(to, 0o4610)
    const { uid, gid } = await fs.stat(to)
    await copy(at(from), at(to, noting(refused)), unheard())
    modes.push((await fs.stat(to)).mode & 0o7777)
    t.deepEqual(owners, [[uid, gid]])
  }
  t.deepEqual(modes, [0o600, 0o4610, 0o600, 0o610])
  t.is(await fs.readFile(to, 'utf8'), 'new')
})

test('a tree is copied over its copy, links too, but no link over a directory', async t => {
  const from = join(t.context.directory, 'from')
  const to = join(t.context.directory, 'to')
  await makeTree(from)
  await copy(at(from), at(to), unheard())
  await fs.rm(join(from, 'link'))
  await fs.symlink('script', join(from, 'link'))
  await fs.mkdir(join(to, 'from'))
  await fs.rename(join(to, 'link'), join(to, 'from', 'link'))
  await copy(at(from), at(to), unheard())
  t.is(await fs.readlink(join(to, 'from', 'link')), 'script')
  const names = await fs.readdir(join(to, 'from'), { recursive: true })
  t.deepEqual(names.sort(), (await fs.readdir(from, { recursive: true })).sort())
  await fs.rm(join(to, 'from', 'link'))
  await fs.mkdir(join(to, 'from', 'link'))
  await t.throwsAsync(copy(at(from), at(to), unheard()), {
    message: `${join(to, 'from', 'link')} is a directory: remove it first`,
  })
})

test('a copy that fails is over when it says so, and leaves nothing half made', async t => {
  const from = join(t.context.directory, 'from')
  const to = join(t.context.directory, 'to')
  await fs.mkdir(from)
  await fs.writeFile(join(from, 'large'), Buffer.alloc(5 * 1024 * 1024))
  await fs.symlink('large', join(from, 'link'))
  const writing = Promise.withResolvers<void>()
  let files = 0
  const failing: Tree = {
    ...localTree,
    readlink: async () => {
      await writing.promise
      throw coded('EIO')
    },
    open: async (path, flags, mode) => {
      const handle = await fs.open(path, flags, mode)
      files++
      return changed(handle, {
        write: (...args) => {
          writing.resolve()
          return handle.write(...args)
        },
        close: async () => {
          await handle.close()
          files--
        },
      })
    },
  }
  await t.throwsAsync(copy(at(from, failing), at(to, failing), unheard()), { code: 'EIO' })
  t.is(files, 0)
  t.deepEqual(await fs.readdir(to), [])
})

test('what goes wrong under a partial name is told of the target', async t => {
  const from = join(t.context.directory, 'from')
  const to = join(t.context.directory, 'none', 'to')
  await fs.writeFile(from, 'x')
  await t.throwsAsync(copy(at(from), at(to), unheard()), {
    code: 'ENOENT',
    message: `ENOENT: no such file or directory, open '${to}'`,
  })
  const stuck: Tree = {
    ...localTree,
    rename: (path, target) => fs.rename(path, join(`${target}`, 'x')),
  }
  const copying = copy(at(from), at(join(t.context.directory, 'to'), stuck), unheard())
  await t.throwsAsync(copying, { code: 'ENOENT', message: /rename '[^']+\/to\/x'$/ })
  t.deepEqual(await fs.readdir(t.context.directory), ['from'])
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
