import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import anyTest, { type TestFn } from 'ava'
import { Home, prepareHome, prepareSockets, serverNumbers } from './home.ts'
import { liveState, lockHome, startTicks } from './home-lock.ts'

const test = anyTest as TestFn<{ directory: string }>

test.beforeEach(async t => {
  t.context.directory = await mkdtemp(join(tmpdir(), 'rookery-home-'))
})
test.afterEach.always(t => rm(t.context.directory, { recursive: true }))

const settings = {
  ...{ format: 1 as const, servers: 3, left: [2], partitions: 256, replicas: 1 },
  formatted: true,
}

test('a new home is private to its owner', async t => {
  const home = await prepareHome(join(t.context.directory, 'a', 'b'))
  t.is((await stat(home.directory)).mode & 0o777, 0o700)
  t.is(await home.readSettings(), null)
  t.is(await home.readState(), null)
})

test('an empty HOME is as none', async t => {
  const script = `import { defaultHome } from ${JSON.stringify(join(import.meta.dirname, 'home.ts'))}
    console.log(defaultHome)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, HOME: '' },
  })
  t.is(await text(child.stdout), `${userInfo().homedir}/.rookery\n`)
})

test('an empty directory becomes a private home', async t => {
  const path = join(t.context.directory, 'empty')
  await mkdir(path, { mode: 0o755 })
  await prepareHome(path)
  t.is((await stat(path)).mode & 0o777, 0o700)
})

test('a directory with something else in it is left alone', async t => {
  const path = join(t.context.directory, 'full')
  await mkdir(path, { mode: 0o755 })
  await writeFile(join(path, 'letter'), 'x')
  await t.throwsAsync(prepareHome(path), { message: /neither empty nor the home of a cluster/ })
  t.deepEqual(await readdir(path), ['letter'])
  t.is((await stat(path)).mode & 0o777, 0o755)
})

test('a file is no home', async t => {
  const path = join(t.context.directory, 'file')
  await writeFile(path, '')
  await t.throwsAsync(prepareHome(path), { message: /cannot be made/ })
})

test('settings survive, and damaged ones are refused', async t => {
  const home = await prepareHome(join(t.context.directory, 'h'))
  await home.writeSettings(settings)
  t.deepEqual(await new Home(home.directory).readSettings(), settings)
  t.is((await prepareHome(home.directory)).directory, home.directory)
  for (const text of ['', '{}', JSON.stringify({ ...settings, servers: 0 })]) {
    await writeFile(home.settingsFile, text)
    await t.throwsAsync(home.readSettings(), { message: /is damaged: put back a copy of it$/ })
  }
})

test('settings of a newer version are refused as such', async t => {
  const home = await prepareHome(join(t.context.directory, 'h'))
  await writeFile(home.settingsFile, JSON.stringify({ format: 2, clusters: [] }))
  await t.throwsAsync(home.readSettings(), { message: /has format 2, written by a newer Rookery/ })
})

test('a home that has lost its settings is told from one of something else', async t => {
  const home = await prepareHome(join(t.context.directory, 'h'))
  for (const name of ['manager', 'servers']) await mkdir(join(home.directory, name))
  await t.throwsAsync(prepareHome(home.directory), { message: /cluster\.json is missing: put/ })
})

test('a second lock on a home is refused until the first is released', async t => {
  const home = await prepareHome(join(t.context.directory, 'h'))
  const lock = await lockHome(home)
  await t.throwsAsync(lockHome(home), { message: /in use by another 'rookery up'/ })
  await lock.release()
  await (await lockHome(home)).release()
})

test('the lock of a process that was killed is free', async t => {
  const home = await prepareHome(join(t.context.directory, 'h'))
  const script = `import { lockHome } from ${JSON.stringify(join(import.meta.dirname, 'home-lock.ts'))}
    import { Home } from ${JSON.stringify(join(import.meta.dirname, 'home.ts'))}
    await lockHome(new Home(${JSON.stringify(home.directory)}))
    console.log('locked')
    setInterval(() => {}, 1e6)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  await t.throwsAsync(lockHome(home), { message: /in use/ })
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  await (await lockHome(home)).release()
  t.pass()
})

test('what runs in a home is known by the process and by when it started', async t => {
  const home = await prepareHome(join(t.context.directory, 'h'))
  const state = { managers: ['unix:/x'], mountpoint: '/m', volume: 'default' }
  const ticks = (await startTicks(process.pid)) ?? ''
  t.regex(ticks, /^\d+$/)
  await home.writeState({ ...state, pid: process.pid, startTicks: ticks })
  t.is((await liveState(home))?.mountpoint, '/m')
  await home.writeState({ ...state, pid: process.pid, startTicks: '1' })
  t.is(await liveState(home), null)
  await home.writeState({ ...state, pid: 2 ** 30, startTicks: ticks })
  t.is(await liveState(home), null)
})

test('sockets of a home with a long path go to a short private place', async t => {
  const short = await prepareHome(join(t.context.directory, 's'))
  t.is(await prepareSockets(short), join(short.directory, 'run'))
  const long = await prepareHome(join(t.context.directory, 'l'.repeat(100)))
  const place = await prepareSockets(long)
  t.true(Buffer.byteLength(join(place, 'server-64.sock')) <= 107)
  t.is((await stat(place)).mode & 0o777, 0o700)
  t.is(await prepareSockets(long), place)
  await rm(place, { recursive: true })
})

test('servers that have left are not counted, and their numbers stay theirs', t => {
  t.deepEqual(serverNumbers(settings), [1, 3])
})
