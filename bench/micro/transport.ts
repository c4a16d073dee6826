/**
 * What a call costs between two processes, over Unix sockets and TCP, against the same exchange over bare
 * node:net in the same run. With an argument this file is the other process.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { realEnv } from '../../network/env/real.ts'
import { protocolVersion } from '../../network/limits.ts'
import { connect } from '../../network/rpc/connect.ts'
import type { Peer, Service } from '../../network/rpc/contract.ts'
import { serve } from '../../network/rpc/serve.ts'
import { SocketTransport } from '../../network/transport/socket.ts'
import type { HelloRequest } from '../../network/wire/operations.ts'
import { printTable, type Row } from './table.ts'

export const name = 'transport and calls, two processes'

const hello: HelloRequest = { version: protocolVersion, cluster: '', role: 'server', id: '' }
const messageBytes = 64
const payloadBytes = 1 << 20
const depths = [1, 16, 64]
const countAtDepth = 15_000
const payloadCount = 400
const payloadDepth = 8
const block = new Uint8Array(payloadBytes).fill(7)
const fileName = new Uint8Array(24).fill(97)

interface Addresses {
  readonly calls: string
  readonly bare: string
}

const service: Service = {
  lookup: ({ body, payload }) => ({
    body: { ino: body.parent, attributes: null, nameMs: 0, leaseMs: 0 },
    payload,
  }),
  writeBlock: () => ({ body: { allocated: 0 }, payload: [] }),
  readBlock: () => ({ body: { present: true, checksums: new Uint8Array(0) }, payload: [block] }),
}

/** The bare server answers each message with as many bytes; its first byte tells what it is to do. */
const bareEcho = 1
const bareSink = 2
const bareSource = 3

async function serveAll(addresses: Addresses): Promise<Addresses> {
  const env = realEnv()
  const transport = new SocketTransport(env)
  const { address } = await serve({ env, transport, address: addresses.calls, hello, service })
  const server = createServer({ noDelay: true }, socket => {
    socket.once('data', (first: Buffer) => bareServe(socket, first[0] ?? 0))
    socket.on('error', () => undefined)
  })
  const at = addresses.bare
  if (at.startsWith('unix:')) server.listen(at.slice(5))
  else server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const bare = typeof bound === 'object' && bound !== null ? `tcp:${bound.port}` : at
  return { calls: address, bare }
}

function bareServe(socket: Socket, mode: number): void {
  if (mode === bareEcho) socket.on('data', data => socket.write(data))
  let missing = payloadBytes
  if (mode === bareSink) {
    socket.on('data', data => {
      for (missing -= data.length; missing <= 0; missing += payloadBytes) socket.write('.')
    })
  }
  if (mode === bareSource) {
    socket.on('data', data => {
      for (let i = 0; i < data.length; i++) socket.write(block)
    })
  }
  socket.write('.')
}

async function dialBare(address: string, mode: number): Promise<Socket> {
  const target = address.startsWith('unix:')
    ? { path: address.slice(5) }
    : { port: Number(address.slice(4)), host: '127.0.0.1' }
  const socket = createConnection({ ...target, noDelay: true })
  await once(socket, 'connect')
  socket.write(Uint8Array.of(mode))
  await once(socket, 'data')
  return socket
}

/** Sends `count` messages with `depth` on the way at a time. @returns seconds. */
function bareRounds(
  socket: Socket,
  {
    message,
    answerBytes,
    count,
    depth,
  }: {
    readonly message: Uint8Array
    readonly answerBytes: number
    readonly count: number
    readonly depth: number
  },
): Promise<number> {
  return new Promise(resolve => {
    let [sent, received] = [depth, 0]
    const startMs = performance.now()
    const onData = (data: Buffer) => {
      const before = Math.floor(received / answerBytes)
      received += data.length
      const now = Math.floor(received / answerBytes)
      for (let i = before; i < now && sent < count; i++, sent++) socket.write(message)
      if (now < count) return
      socket.off('data', onData)
      resolve((performance.now() - startMs) / 1000)
    }
    socket.on('data', onData)
    for (let i = 0; i < depth; i++) socket.write(message)
  })
}

async function callRounds(count: number, depth: number, call: () => Promise<unknown>) {
  const startMs = performance.now()
  const worker = async () => {
    for (let i = 0; i < count / depth; i++) await call()
  }
  await Promise.all(Array.from({ length: depth }, worker))
  return (performance.now() - startMs) / 1000
}

async function echoRows(scheme: string, peer: Peer, bareAddress: string): Promise<Row[]> {
  const socket = await dialBare(bareAddress, bareEcho)
  const message = new Uint8Array(messageBytes)
  const call = () => peer.call('lookup', { parent: 2 ** 41, name: fileName })
  const rows: Row[] = []
  for (const depth of depths) {
    const count = countAtDepth * Math.ceil(depth / 4)
    const bare = { message, answerBytes: messageBytes, count, depth }
    await bareRounds(socket, { ...bare, count: count / 5 })
    await callRounds(count / 5, depth, call)
    const [bareSeconds, seconds] = [
      await bareRounds(socket, bare),
      await callRounds(count, depth, call),
    ]
    const microseconds = depth === 1
    const scale = (took: number) => (microseconds ? (took * 1e6) / count : count / took / 1000)
    rows.push({
      what: `${scheme}: echo call, ${depth} at a time`,
      value: scale(seconds),
      unit: microseconds ? 'µs' : 'k/s',
      against: { value: scale(bareSeconds), what: 'a bare echo' },
    })
  }
  socket.destroy()
  return rows
}

async function payloadRows(scheme: string, peer: Peer, bareAddress: string): Promise<Row[]> {
  const key = { ino: 2 ** 41, generation: 1, block: 0 }
  const ranges = [0, payloadBytes]
  const write = { ...key, ranges, checksums: new Uint8Array(0), slot: 0, sequence: 0 }
  const calls = {
    write: () => peer.call('writeBlock', write, { payload: [block] }),
    read: () => peer.call('readBlock', { ...key, offset: 0, length: payloadBytes }),
  }
  const bare = {
    write: { mode: bareSink, message: block, answerBytes: 1 },
    read: { mode: bareSource, message: Uint8Array.of(1), answerBytes: payloadBytes },
  }
  const rows: Row[] = []
  const mebibytes = (payloadCount * payloadBytes) / 2 ** 20
  for (const way of ['write', 'read'] as const) {
    const socket = await dialBare(bareAddress, bare[way].mode)
    const rounds = { ...bare[way], count: payloadCount, depth: payloadDepth }
    await bareRounds(socket, { ...rounds, count: 50 })
    await callRounds(50, payloadDepth, calls[way])
    const bareSeconds = await bareRounds(socket, rounds)
    const seconds = await callRounds(payloadCount, payloadDepth, calls[way])
    socket.destroy()
    rows.push({
      what: `${scheme}: ${way} 1 MiB payloads, ${payloadDepth} at a time`,
      value: mebibytes / seconds,
      unit: 'MiB/s',
      against: { value: mebibytes / bareSeconds, what: 'bare' },
    })
  }
  return rows
}

async function startOther(addresses: Addresses): Promise<[ChildProcess, Addresses]> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(addresses)])
  const [bound] = (await once(child, 'message')) as [Addresses]
  return [child, bound]
}

export async function run(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-bench-'))
  const env = realEnv()
  const transport = new SocketTransport(env)
  const rows: Row[] = []
  const schemes: Readonly<Record<string, Addresses>> = {
    unix: { calls: `unix:${directory}/calls`, bare: `unix:${directory}/bare` },
    tcp: { calls: 'tcp://127.0.0.1:0', bare: 'tcp:0' },
  }
  for (const [scheme, addresses] of Object.entries(schemes)) {
    const [child, bound] = await startOther(addresses)
    const peer = await connect({ env, transport, address: bound.calls, hello, service: {} })
    rows.push(...(await echoRows(scheme, peer, bound.bare)))
    rows.push(...(await payloadRows(scheme, peer, bound.bare)))
    await peer.close()
    child.disconnect()
    await once(child, 'exit')
  }
  await rm(directory, { recursive: true })
  return rows
}

const [, , asOther] = process.argv
if (process.send !== undefined && asOther !== undefined) {
  process.on('disconnect', () => process.exit())
  process.send(await serveAll(JSON.parse(asOther)))
} else if (import.meta.main) {
  printTable(name, await run())
}
