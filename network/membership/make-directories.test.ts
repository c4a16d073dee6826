import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import test from 'ava'
import { makeDirectories } from './make-directories.ts'

const top = await mkdtemp(`${tmpdir()}/rookery-directories-`)
test.after.always(() => rm(top, { recursive: true }))

test('directories are made with those above them, and the first one that was is told', async t => {
  t.is(await makeDirectories(`${top}/a/b/c`, 0o700), `${top}/a`)
  t.is((await stat(`${top}/a/b/c`)).mode & 0o777, 0o700)
  t.is(await makeDirectories(`${top}/a/b/c`), undefined)
  t.is(await makeDirectories(`${top}/a/b/d/`), `${top}/a/b/d`)
})

test('two that make the same directories at once both succeed', async t => {
  const all = Array.from({ length: 8 }, () => makeDirectories(`${top}/at/the/same/time`))
  const firsts = await Promise.all(all)
  t.true(firsts.includes(`${top}/at`))
})

test('a file in the way is an error, at the end and above it', async t => {
  await writeFile(`${top}/file`, '')
  await t.throwsAsync(makeDirectories(`${top}/file`), { code: 'EEXIST' })
  await t.throwsAsync(makeDirectories(`${top}/file/below`), { code: 'ENOTDIR' })
})

test('a parent that lets nothing be made in it is an error at once', async t => {
  for (const path of ['/proc/rookery', '/proc/rookery/below']) {
    await t.throwsAsync(makeDirectories(path), { code: 'ENOENT' })
  }
})
