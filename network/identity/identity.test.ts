import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import test from 'ava'
import { loadIdentity, makeIdentity } from './identity.ts'
import { peerIdOf, publicKeyOf } from './peer-id.ts'

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
    (await readdir(directory)).filter(name => /^race.*\.new$/.test(name)),
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

test('keys and peer ids are those of libp2p', async t => {
  const key = await generateKeyPair('Ed25519')
  const path = join(directory, 'foreign-made')
  const text = `rookery-key-1 ${Buffer.from(privateKeyToProtobuf(key)).toString('base64')}\n`
  await writeFile(path, text, { mode: 0o600 })
  const identity = await loadIdentity(path)
  t.is(identity.peerId, peerIdFromPrivateKey(key).toString())
  t.deepEqual(Buffer.from(identity.privateKey.raw), Buffer.from(key.raw))
})

test('a damaged key is refused rather than taken for another', async t => {
  const path = join(directory, 'damaged')
  await loadIdentity(path)
  const [word, key] = (await readFile(path, 'utf8')).trim().split(' ')
  const bytes = Buffer.from(key!, 'base64')
  for (let index = 0; index < bytes.length; index++) {
    const damaged = Buffer.from(bytes)
    damaged[index]! ^= 1
    await writeFile(path, `${word} ${damaged.toString('base64')}\n`)
    await t.throwsAsync(loadIdentity(path), { code: 'MALFORMED' }, `byte ${index}`)
  }
})

test('a peer id gives its key, and nothing else does', async t => {
  const { peerId, privateKey } = await makeIdentity()
  const publicKey = privateKey.publicKey.raw
  t.deepEqual(Buffer.from(publicKeyOf(peerId)), Buffer.from(publicKey))
  t.is(peerIdOf(publicKeyOf(peerId)), peerId)
  const wrong = ['', 'x', `${peerId}1`, peerId.slice(1), `0${peerId.slice(1)}`, '1'.repeat(10_000)]
  for (const text of wrong) t.throws(() => publicKeyOf(text), { code: 'MALFORMED' }, text)
})
