import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { patientEnv } from '../env/patient.ts'
import { ClusterError } from '../errors.ts'
import { parseAddress } from './address.ts'
import { transportCompliance } from './compliance.ts'
import { pairOf, type RawStream, Recorder } from './compliance-fixtures.ts'
import { type Connection, type FrameHeader, frameKind } from './contract.ts'
import { SocketTransport } from './socket.ts'

const directory = await mkdtemp(join(tmpdir(), 'rookery-socket-'))
test.after.always(() => rm(directory, { recursive: true }))
let made = 0

function freshPath(): string {
  return join(directory, `${++made}.sock`)
}

function dialRaw(address: string): Promise<RawStream> {
  return new Promise((resolve, reject) => {
    const at = parseAddress(address)
    const socket = createConnection(at.scheme === 'unix' ? { path: at.path } : at)
    const whenClosed = Promise.withResolvers<void>()
    socket.on('close', () => whenClosed.resolve())
    socket.on('error', reject)
    socket.resume()
    socket.on('connect', () =>
      resolve({
        write: bytes => socket.write(bytes),
        end: () => socket.end(),
        closed: whenClosed.promise,
      }),
    )
  })
}

/** A port that was free a moment ago. */
async function deadPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  await new Promise(resolve => server.close(resolve))
  return typeof bound === 'object' && bound !== null ? bound.port : 1
}

const transport = new SocketTransport(patientEnv())

transportCompliance(test, 'tcp', async () => ({
  transport,
  address: 'tcp://127.0.0.1:0',
  deadAddress: `tcp://127.0.0.1:${await deadPort()}`,
  dialRaw,
}))

transportCompliance(test, 'unix', async () => ({
  transport,
  address: `unix:${freshPath()}`,
  deadAddress: `unix:${freshPath()}`,
  dialRaw,
}))

const header: FrameHeader = {
  callId: 1,
  kind: frameKind.notice,
  operation: 1,
  partition: 0,
  epoch: 0,
}
const silent = { frame: () => undefined, closed: () => undefined }

function codeOf(error: unknown): string | undefined {
  return error instanceof ClusterError ? error.code : undefined
}

/** Of 1000 bytes: more than is read at a time, less than a socket holds. */
const handedFrames = 100

for (const side of ['dialled', 'was dialled']) {
  test(`what was handed over arrives, though its sender, who ${side}, is gone and was written to`, async t => {
    const address = `unix:${freshPath()}`
    const pair = await pairOf({ transport, address, deadAddress: '' })
    const [sender, reader] = side === 'dialled' ? [pair.near, pair.far] : [pair.far, pair.near]
    const body = new Uint8Array(1000)
    for (let i = 0; i < handedFrames; i++) sender.send(header, body)
    t.true(await sender.handed())
    // One that it never reads, as when its process is killed; then one that nobody is there to take.
    reader.send(header, body)
    t.true(await reader.handed())
    sender.abort(new ClusterError('CLOSED', 'killed'))
    await setTimeout(50)
    reader.send(header, body)
    await setTimeout(50)
    const got = new Recorder()
    reader.start(got)
    t.is(codeOf(await got.whenClosed.promise), 'CLOSED')
    t.is(got.frames.length, handedFrames)
    await pair.listener.close()
  })
}

test('of TCP nobody can tell: what a killed process has not transmitted may be dropped', async t => {
  const under = { transport, address: 'tcp://127.0.0.1:0', deadAddress: '' }
  const { listener, near, far } = await pairOf(under)
  near.send(header, new Uint8Array(10))
  t.is(near.handed(), null)
  await Promise.all([near.close(), far.close(), listener.close()])
})

test('a Unix socket is for its owner only', async t => {
  const path = freshPath()
  const listener = await transport.listen(`unix:${path}`, () => undefined)
  t.is((await stat(path)).mode & 0o777, 0o600)
  await listener.close()
})

test('the socket file of a dead process is replaced', async t => {
  const path = freshPath()
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
  t.true((await stat(path)).isSocket())
  const listener = await transport.listen(`unix:${path}`, connection => connection.start(silent))
  const connection = await transport.dial(listener.address)
  connection.start(silent)
  await connection.close()
  await listener.close()
})

test('a file that is no socket is left alone', async t => {
  const path = freshPath()
  await writeFile(path, 'precious')
  t.is(await transport.listen(`unix:${path}`, () => undefined).catch(codeOf), 'IN_USE')
  t.true((await stat(path)).isFile())
})

test('a directory that does not exist, and an address of another machine, cannot be listened on', async t => {
  const address = `unix:${join(directory, 'none', 'x.sock')}`
  t.is(await transport.listen(address, () => undefined).catch(codeOf), 'BAD_ADDRESS')
  const elsewhere = 'tcp://192.0.2.1:7400'
  t.is(await transport.listen(elsewhere, () => undefined).catch(codeOf), 'BAD_ADDRESS')
})

test('IPv6 addresses are written in brackets', async t => {
  t.deepEqual(parseAddress('tcp://[::1]:7400'), { scheme: 'tcp', host: '::1', port: 7400 })
  for (const bad of [
    'tcp://::1:7400',
    'tcp://h',
    'tcp://h:70000',
    'unix:relative',
    '',
    'unix:/a\0b',
  ]) {
    t.is(codeOf(t.throws(() => parseAddress(bad))), 'UNREACHABLE', bad)
  }
})

test('a peer that reads nothing is cut off at the limit, whatever the sender does', async t => {
  const accepted = Promise.withResolvers<Connection>()
  const listener = await transport.listen(`unix:${freshPath()}`, accepted.resolve)
  const near = await transport.dial(listener.address)
  const closed = Promise.withResolvers<ClusterError | undefined>()
  near.start({ frame: () => undefined, closed: closed.resolve })
  const payload = [new Uint8Array(8 << 20)]
  const error = t.throws(() => {
    for (let i = 0; i < 40; i++) near.send(header, new Uint8Array(0), payload)
  })
  t.is(codeOf(error), 'CLOSED')
  t.is((await closed.promise)?.code, 'OVERLOADED')
  ;(await accepted.promise).start(silent)
  await listener.close()
})

test('frames of one tick leave in one write', async t => {
  let chunks = 0
  let bytes = 0
  const path = freshPath()
  const all = Promise.withResolvers<void>()
  const server = createServer(socket =>
    socket.on('data', data => {
      chunks++
      bytes += data.length
      if (bytes === 500 * 42) all.resolve()
    }),
  )
  await new Promise<void>(resolve => server.listen(path, resolve))
  const near = await transport.dial(`unix:${path}`)
  near.start(silent)
  for (let i = 0; i < 500; i++) near.send({ ...header, callId: i }, new Uint8Array(10))
  await all.promise
  t.is(chunks, 1)
  near.abort(new ClusterError('CLOSED', 'enough'))
  server.close()
})

test('a process that is killed is noticed, and not taken for an orderly close', async t => {
  const path = freshPath()
  const script = `require('net').createServer(s => s.resume()).listen(${JSON.stringify(path)}, () => console.log('up'))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  const near = await transport.dial(`unix:${path}`)
  const closed = Promise.withResolvers<ClusterError | undefined>()
  near.start({ frame: () => undefined, closed: closed.resolve })
  near.send(header, new Uint8Array(10))
  child.kill('SIGKILL')
  t.is((await closed.promise)?.code, 'CLOSED')
})
