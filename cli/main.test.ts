import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Authority } from '../network/admission/authority.ts'
import { issueCertificate } from '../network/admission/certificate.ts'
import { keepAdmission, keyIn } from '../network/admission/kept.ts'
import { rookery } from './command.test-support.ts'
import { Home } from './home.ts'
import { lockHome } from './home-lock.ts'

const directory = mkdtempSync(join(tmpdir(), 'rookery-cli-'))
test.after.always(() => rmSync(directory, { recursive: true }))

/** One line on stderr, nothing on stdout. */
const refused = test.macro({
  exec: async (t, args: readonly string[], code: number, complaint: RegExp) => {
    const outcome = await rookery(...args)
    t.regex(outcome.complaint, /^rookery: [^\n]+\n$/)
    t.regex(outcome.complaint, complaint)
    t.is(outcome.code, code)
    t.is(outcome.out, '')
  },
  title: title => `${title} is refused with one line that says so`,
})

const home = join(directory, 'no-home')

test('an unknown command', refused, ['fly'], 2, /unknown command 'fly'/)
test('an unknown command beside a known one', refused, ['statu'], 2, /Did you mean .*status/)
test(
  'a name of several lines',
  refused,
  ['up', '/x', '--volume', 'a\nb\u001b[2J'],
  2,
  /'a b\?\[2J' is not a volume name/,
)
test('a missing mount point', refused, ['up'], 2, /missing required argument 'mountpoint'/)
test('an empty mount point', refused, ['up', ''], 2, /argument 'mountpoint' is empty/)
test('a mount point that is empty', refused, ['umount', '', '--force'], 2, /'mountpoint' is empty/)
test('an empty home', refused, ['down', '--home', ''], 2, /option '--home <dir>' is empty/)
test(
  'an empty path among others',
  refused,
  ['bench', 'io500', '/', '--compare', '/', '--compare', ''],
  2,
  /'--compare <directory>' is empty/,
)
test('a zero count of servers', refused, ['up', '/x', '--servers', '0'], 2, /from 1 to 64/)
test(
  'a mount for others that is private',
  refused,
  ['mount', '/x', '--private', '--allow-other'],
  2,
  /cannot be used with/,
)
test(
  'setuid through fuse-native',
  refused,
  ['mount', '/x', '--suid', '--fuse', 'fuse-native'],
  2,
  /--suid/,
)
test(
  'devices through fuse-native',
  refused,
  ['mount', '/x', '--dev', '--fuse', 'fuse-native'],
  2,
  /--dev/,
)
test('an unknown backend', refused, ['up', '/x', '--fuse', 'kernel'], 2, /Allowed choices are/)
test('a port beyond the last', refused, ['up', '/x', '--port', '70000'], 2, /from 1 to 65535/)
test(
  'HTTP at no address',
  refused,
  ['manager', '--http', '8080', '--dir', '/x', '--listen', 'h:1'],
  2,
  /write HOST:PORT/,
)
test('a bad address', refused, ['status', '--manager', 'nowhere'], 2, /is not an address/)
test(
  'a bad block size',
  refused,
  ['volume', 'create', 'v', '--block-size', '1'],
  2,
  /64 KiB to 8 MiB/,
)
test(
  'a block size that is no power of two',
  refused,
  ['volume', 'create', 'v', '--block-size', '3MiB'],
  2,
  /3MiB is not a power of two: write 2 MiB or 4 MiB/,
)
test('a bad volume name', refused, ['volume', 'create', 'a/b'], 2, /is not a volume name/)
test('a path without a slash', refused, ['cat', 'x'], 2, /is not a path/)
test(
  'a path that is not UTF-8',
  refused,
  ['rm', '/x\uFFFDy'],
  2,
  /'\/x\uFFFDy' is not UTF-8.+mount/,
)
test(
  'a server that never joined',
  refused,
  ['server', '--meta-dir', join(directory, 'no-meta')],
  1,
  /rookery join TOKEN/,
)
test('a token that is none', refused, ['join', 'rk1abc'], 2, /mistyped or cut short/)
test('a life of no length', refused, ['token', 'create', '--expires', 'soon'], 2, /write 90s/)
test('down of nothing', refused, ['down', '--home', home], 1, /no cluster is running in/)
test('status of nothing', refused, ['status', '--home', home], 1, /let into no cluster/)
test('umount of nothing', refused, ['umount', directory], 1, /nothing of Rookery is mounted/)
test(
  'a manager without a place for its state',
  refused,
  ['manager', '--listen', '127.0.0.1:0'],
  2,
  /required option/,
)

test('a manager that nobody is is told in one line', async t => {
  const identity = await keyIn(join(directory, 'elsewhere', 'admin'))
  const authority = Authority.make()
  const { peerId } = identity
  const what = { cluster: 'c', peerId, role: 'admin', serial: 1, issuedS: 0 } as const
  await keepAdmission(join(directory, 'elsewhere', 'admin'), {
    cluster: 'c',
    authority: authority.publicKey,
    certificate: issueCertificate(authority, what),
    secret: new Uint8Array(32),
    managers: [`unix:${directory}/none.sock`],
  })
  const outcome = await rookery('status', '--home', join(directory, 'elsewhere'))
  t.regex(outcome.complaint, /^rookery: [^\n]+is the cluster up[^\n]*\n$/)
  t.is(outcome.code, 1)
})

test('a mount on what is no directory', refused, ['mount', '/etc/hostname'], 1, /not a directory/)

test('a file as the mount point is refused before anything is started', async t => {
  const path = join(directory, 'early')
  const outcome = await rookery('up', '/etc/hostname', '--home', path)
  t.is(outcome.complaint, 'rookery: mount point /etc/hostname: it is not a directory\n')
  t.is(outcome.code, 1)
  t.deepEqual(readdirSync(path).sort(), ['lock', 'log'])
})

test('encryption of nothing is refused before a home is made', async t => {
  const path = join(directory, 'never')
  for (const detach of [[], ['--detach']]) {
    const outcome = await rookery('up', join(directory, 'm0'), '--home', path, '--tls', ...detach)
    t.regex(outcome.complaint, /^rookery: --tls is for an address of TCP[^\n]+--port[^\n]+\n$/)
    t.is(outcome.code, 2)
    t.false(existsSync(path))
  }
})

test('a home under the mount point, and the other way round, is refused', async t => {
  const above = await rookery('up', directory, '--home', join(directory, 'inside'))
  t.regex(above.complaint, /lies under the mount point/)
  const below = await rookery('up', join(directory, 'h2', 'm'), '--home', join(directory, 'h2'))
  t.regex(below.complaint, /lies in the home/)
})

test('a directory that is something else is refused as a home', async t => {
  const path = join(directory, 'letters')
  mkdirSync(path)
  writeFileSync(join(path, 'letter'), 'x')
  const outcome = await rookery('up', join(directory, 'm1'), '--home', path)
  t.regex(outcome.complaint, /neither empty nor the home of a cluster/)
})

test('a home that is in use is refused, also in the background', async t => {
  const path = join(directory, 'used')
  mkdirSync(path)
  const lock = await lockHome(new Home(path))
  for (const detach of [[], ['--detach']]) {
    const outcome = await rookery('up', join(directory, 'm2'), '--home', path, ...detach)
    t.regex(outcome.complaint, /^rookery: .* is in use by another 'rookery up': stop it with/)
    t.is(outcome.code, 1)
  }
  await lock.release()
})

test('fewer servers than the cluster has are refused', async t => {
  const path = join(directory, 'four')
  mkdirSync(path)
  const settings = {
    ...{ format: 1 as const, servers: 5, left: [2], partitions: 256, replicas: 1 },
    formatted: true,
  }
  const found = new Home(path)
  await (await lockHome(found)).release()
  await found.writeSettings(settings)
  const outcome = await rookery('up', join(directory, 'm3'), '--home', path, '--servers', '3')
  t.regex(outcome.complaint, /has 4 servers: .*rookery leave --meta-dir .*servers\/5\/meta/)
  t.is(outcome.code, 1)
})

test('every command has help with an example, and succeeds in giving it', async t => {
  const commands =
    'up down status fsck mount umount volume ls cat stat put get rm manager server token join key member drain leave bench'.split(
      ' ',
    )
  const volume = ['create', 'set', 'list', 'delete'].map(name => ['volume', name])
  const token = ['create', 'list', 'revoke'].map(name => ['token', name])
  const member = ['list', 'label', 'remove'].map(name => ['member', name])
  const key = ['list', 'remove'].map(name => ['key', name])
  const nested = [...volume, ...token, ...member, ...key, ['bench', 'io500']]
  for (const command of [...commands.map(name => [name]), ...nested]) {
    const outcome = await rookery(...command, '--help')
    t.regex(outcome.out, /Example/, command.join(' '))
    t.is(outcome.code, 0)
  }
})

test('--debug shows where an error came from, before or after the command', async t => {
  for (const args of [
    ['--debug', 'umount', directory],
    ['umount', directory, '--debug'],
  ]) {
    const outcome = await rookery(...args)
    t.regex(outcome.complaint, /^rookery: nothing of Rookery.*\nFailure: /)
    t.regex(outcome.complaint, /^ +at .*umount\.ts:/m)
    t.is(outcome.code, 1)
  }
})

test('--version is that of the package', async t => {
  t.regex((await rookery('--version')).out, /^\d+\.\d+\.\d+\n$/)
})
