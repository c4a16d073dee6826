import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { loadIdentity } from './identity.ts'

const directory = await mkdtemp(join(tmpdir(), 'rookery-identity-'))
test.after.always(() => rm(directory, { recursive: true }))

test('an identity is made once, for its owner only, and found again', async t => {
  const path = join(directory, 'key')
  const { peerId } = await loadIdentity(path)
  t.regex(peerId, /^12D3KooW/)
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.is((await loadIdentity(path)).peerId, peerId)
})

test('who comes at the same time gets the same identity', async t => {
  const path = join(directory, 'race')
  const [one, other] = await Promise.all([loadIdentity(path), loadIdentity(path)])
  t.is(one.peerId, other.peerId)
  t.deepEqual(
    (await readdir(directory)).filter(name => name.endsWith('.new')),
    [],
  )
})

test('a file that holds something else is refused and left alone', async t => {
  const path = join(directory, 'foreign')
  for (const text of ['', 'hello', 'rookery-key-1', 'rookery-key-1 AAAA', 'rookery-key-1 a b']) {
    await writeFile(path, text, { mode: 0o600 })
    await t.throwsAsync(loadIdentity(path), { code: 'MALFORMED', message: /foreign/ }, text)
    t.is((await stat(path)).size, text.length)
  }
})

test('a key that others may read is refused', async t => {
  const path = join(directory, 'open')
  await loadIdentity(path)
  await chmod(path, 0o640)
  await t.throwsAsync(loadIdentity(path), { code: 'MALFORMED', message: /chmod 600/ })
})
