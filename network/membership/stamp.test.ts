import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import type { ClusterCode, ClusterError } from '../errors.ts'
import { diskFormat } from '../limits.ts'
import type { Claim } from './stamp.ts'
import { claimDirectory, readStamp, stampFile } from './stamp.ts'

async function scratch(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-stamp-'))
  t.teardown(() => rm(directory, { recursive: true }))
  return directory
}

const server: Claim = { role: 'server', cluster: 'c1', id: 's1', kind: 'meta' }

async function refused(t: ExecutionContext, code: ClusterCode, directory: string, claim = server) {
  const error = await t.throwsAsync<ClusterError>(claimDirectory(directory, claim))
  t.is(error.code, code)
  t.true(error.message.includes(directory), error.message)
  return error
}

test('an absent directory is made for its owner only and stamped', async t => {
  const directory = join(await scratch(t), 'a', 'b')
  const stamp = await claimDirectory(directory, server)
  t.deepEqual(stamp, { format: diskFormat, cluster: 'c1', role: 'server', id: 's1', kind: 'meta' })
  t.is((await stat(directory)).mode & 0o777, 0o700)
  t.deepEqual(await readdir(directory), [stampFile])
  t.deepEqual(await readStamp(directory), stamp)
})

test('a directory that others may enter is closed to them whenever it is claimed', async t => {
  const directory = join(await scratch(t), 'a')
  await claimDirectory(directory, server)
  await chmod(directory, 0o755)
  await claimDirectory(directory, server)
  t.is((await stat(directory)).mode & 0o777, 0o700)
})

test('an empty directory is claimed, also one with lost+found and a stamp cut short', async t => {
  const directory = await scratch(t)
  await mkdir(join(directory, 'lost+found'))
  await writeFile(join(directory, `${stampFile}.tmp`), '{"for')
  await claimDirectory(directory, server)
  t.deepEqual((await readdir(directory)).toSorted(), ['lost+found', stampFile])
})

test('what is not known at the first claim is filled in by a later one, once', async t => {
  const directory = await scratch(t)
  t.is((await claimDirectory(directory, { role: 'server', id: 's1' })).cluster, '')
  t.is((await claimDirectory(directory, { role: 'server', cluster: 'c1' })).id, 's1')
  t.is((await claimDirectory(directory, { role: 'server' })).cluster, 'c1')
  await refused(t, 'WRONG_CLUSTER', directory, { role: 'server', cluster: 'c2' })
})

test('a directory with other files is refused and left as it was', async t => {
  const directory = await scratch(t)
  await writeFile(join(directory, 'thesis.tex'), 'precious')
  const error = await refused(t, 'FOREIGN_DIRECTORY', directory)
  t.regex(error.message, /thesis\.tex.*empty directory/)
  t.deepEqual(await readdir(directory), ['thesis.tex'])
})

test("another cluster's directory is refused, with both clusters named", async t => {
  const directory = await scratch(t)
  await claimDirectory(directory, server)
  const error = await refused(t, 'WRONG_CLUSTER', directory, { ...server, cluster: 'c2' })
  t.regex(error.message, /c1.*c2/)
})

test('a directory of another role, member or kind is refused', async t => {
  const directory = await scratch(t)
  await claimDirectory(directory, server)
  await refused(t, 'FOREIGN_DIRECTORY', directory, { ...server, role: 'manager' })
  await refused(t, 'FOREIGN_DIRECTORY', directory, { ...server, id: 's2' })
  await refused(t, 'FOREIGN_DIRECTORY', directory, { ...server, kind: 'data' })
})

test('a newer format is refused, whatever else it holds', async t => {
  const directory = await scratch(t)
  await writeFile(join(directory, stampFile), '{"format": 99, "shape": "unknown"}')
  const error = await refused(t, 'NEWER_FORMAT', directory)
  t.regex(error.message, /format 99.*format 4/)
})

test('an older format is refused, whatever else it holds', async t => {
  const directory = await scratch(t)
  await writeFile(join(directory, stampFile), '{"format": 1, "shape": "unknown"}')
  const error = await refused(t, 'DISK', directory)
  t.regex(error.message, /format 1.*format 4/)
})

test('a damaged, empty or oversized stamp is an error, not a claim', async t => {
  const directory = await scratch(t)
  for (const content of ['', '{"format": 4', '{"format": 4, "cluster": 3}', ' '.repeat(70_000)]) {
    await writeFile(join(directory, stampFile), content)
    const { message } = await refused(t, 'DISK', directory)
    t.notRegex(message, /\n/)
  }
  await writeFile(join(directory, stampFile), '{"format": 4, "cluster": 3, "id": "", "kind": ""}')
  const { message } = await refused(t, 'DISK', directory)
  t.regex(message, /rookery\.json is damaged \(no valid cluster, role\): put back a copy of it$/)
})

test('a path that is no directory, or leads through a file, gets a clear error', async t => {
  const file = join(await scratch(t), 'file')
  await writeFile(file, '')
  t.regex((await refused(t, 'DISK', file)).message, /not a directory/)
  t.regex((await refused(t, 'DISK', join(file, 'below'))).message, /not a directory/)
})

test('a link to a directory is followed, and a directory that cannot be read is an error', async t => {
  const directory = await scratch(t)
  await mkdir(join(directory, 'real'))
  await symlink('real', join(directory, 'link'))
  await claimDirectory(join(directory, 'link'), server)
  t.is((await readStamp(join(directory, 'real')))?.id, 's1')
  if (process.getuid?.() === 0) return
  await chmod(join(directory, 'real'), 0)
  await refused(t, 'DISK', join(directory, 'real'))
  await chmod(join(directory, 'real'), 0o700)
})
