/** A real etcd for tests: on loopback, in a directory that goes with it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { realEnv } from '../../network/env/real.ts'
import { EtcdGateway } from '../etcd/gateway.ts'

const run = promisify(execFile)
const env = realEnv()
const cache = join(import.meta.dirname, '../../node_modules/.cache/etcd')
const installMs = 120_000
const startMs = 60_000
const maxStarts = 5

export const noEtcd = 'there is no etcd, and apt-get could not fetch etcd-server'

/** @returns the program: the machine's, or Debian's package unpacked beside the others; null without either. */
export async function findEtcd(): Promise<string | null> {
  const unpacked = join(cache, 'usr/bin/etcd')
  for (const program of ['etcd', unpacked]) {
    if (await works(program, ['--version'])) return program
  }
  if (!(await works('apt-get', ['--version']))) return null
  await mkdir(join(cache, '..'), { recursive: true })
  const directory = await mkdtemp(`${cache}-`)
  try {
    if (!(await unpack(directory))) return null
    // Another test may have been faster: then its copy stays.
    await rename(join(directory, 'root'), cache).catch(() => access(unpacked))
    return unpacked
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** Unpacked rather than installed, so that no service is started on the machine. */
async function unpack(directory: string): Promise<boolean> {
  const download = () => works('apt-get', ['download', '-qq', 'etcd-server'], directory)
  const found = (await download()) || ((await works('apt-get', ['update', '-qq'])) && download())
  if (!(await found)) return false
  return works('sh', ['-c', 'dpkg-deb -x etcd-server_*.deb root'], directory)
}

async function works(command: string, words: string[], cwd?: string): Promise<boolean> {
  try {
    await run(command, words, { timeout: installMs, ...(cwd === undefined ? {} : { cwd }) })
    return true
  } catch {
    return false
  }
}

export class EtcdProcess {
  /** `HOST:PORT`. */
  endpoint = ''
  readonly #program: string
  readonly #directory: string
  #peerEndpoint = ''
  #child: ChildProcess | undefined

  private constructor(program: string, directory: string) {
    this.#program = program
    this.#directory = directory
  }

  static async start(program: string): Promise<EtcdProcess> {
    const etcd = new EtcdProcess(
      program,
      await mkdtemp(join(await swiftDirectory(), 'rookery-etcd-')),
    )
    for (let attempt = 1; ; attempt++) {
      etcd.endpoint = `127.0.0.1:${await freePort()}`
      etcd.#peerEndpoint = `127.0.0.1:${await freePort()}`
      try {
        await etcd.start()
        return etcd
      } catch (error) {
        // A free port can be taken meanwhile.
        if (attempt === maxStarts) throw error
      }
    }
  }

  /** Again, with the same data and ports, after `kill`. */
  async start(): Promise<void> {
    const [client, peer] = [`http://${this.endpoint}`, `http://${this.#peerEndpoint}`]
    const urls = {
      'data-dir': join(this.#directory, 'data'),
      'listen-client-urls': client,
      'advertise-client-urls': client,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': `default=${peer}`,
    }
    const words = Object.entries(urls).map(([name, value]) => `--${name}=${value}`)
    const child = spawn(this.#program, words, { stdio: 'ignore' })
    this.#child = child
    process.once('exit', () => child.kill('SIGKILL'))
    const gateway = new EtcdGateway({ env, endpoints: [this.endpoint] })
    const untilMs = env.clock.monotonicMs() + startMs
    for (;;) {
      try {
        await gateway.call('kv/range', { key: 'AA==' }, z.object({}))
        return
      } catch (error) {
        if (child.exitCode !== null || env.clock.monotonicMs() > untilMs) throw error
        await env.timers.sleep(50)
      }
    }
  }

  /** At once, as when its machine is cut off. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  async remove(): Promise<void> {
    await this.kill()
    await rm(this.#directory, { recursive: true })
  }
}

/** In memory where there is some to be had: on a busy disk each write of etcd waits for the others' syncs. */
async function swiftDirectory(): Promise<string> {
  const memory = '/dev/shm'
  return access(memory, constants.W_OK).then(
    () => memory,
    () => tmpdir(),
  )
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
