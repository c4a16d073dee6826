/**
 * A crowd that says nothing, far larger than any door has room for. On a machine that is busy this takes a while, and
 * some of the crowd are closed for having waited too long rather than to make room: either is a refusal that counts.
 */
import { createConnection, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test, { type ExecutionContext } from 'ava'
import { maxUnproven } from '../limits.ts'
import { Libp2pTransport } from '../transport/libp2p.ts'
import { SocketTransport } from '../transport/socket.ts'
import { TlsTransport } from '../transport/tls.ts'
import {
  dial,
  env,
  eventually,
  type ProvingTransport,
  TestCluster,
  TestListener,
} from './compliance-fixtures.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

const largeCount = 10_000
/** For libp2p, which does for each what takes a millisecond. */
const smallCount = 2_000
/** So many at a time, as the kernel's queue has room for. */
const waveCount = 250
/** When everything that is needed once is there, and all places at the door are taken. */
const warmCount = 2_000
/** Half a KiB for each that came after: what is kept of a connection takes many times that. */
const maxGrowthBytes = (largeCount - warmCount) * 512
/** One line of the log covers so much time. */
const logPeriodMs = 10_000

/** Those of a crowd whose connections are open. */
class Crowd {
  readonly #port: number
  readonly #open = new Set<Socket>()
  mostCount = 0

  constructor(address: string) {
    this.#port = Number(new URL(address).port)
  }

  get openCount(): number {
    return this.#open.size
  }

  async grow(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#join()))
  }

  leave(): void {
    for (const socket of this.#open) socket.destroy()
  }

  #join(): Promise<void> {
    return new Promise(resolve => {
      const socket = createConnection({ host: '127.0.0.1', port: this.#port })
      socket.once('connect', () => {
        this.#open.add(socket)
        this.mostCount = Math.max(this.mostCount, this.#open.size)
        socket.once('close', () => this.#open.delete(socket))
        resolve()
      })
      // Being cut off is what is expected, on a busy machine also before it is told that it has connected.
      socket.on('error', () => resolve())
      socket.resume()
    })
  }
}

function memoryBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

async function crowded(
  t: ExecutionContext,
  over: ProvingTransport,
  crowdCount: number,
): Promise<void> {
  const cluster = new TestCluster()
  const startedMs = env.clock.monotonicMs()
  const listener = await TestListener.start(over, await cluster.member('server'))
  const peer = await dial(over, listener, await cluster.member('client'))
  const crowd = new Crowd(listener.serving.address)
  t.teardown(() => crowd.leave())
  let warmBytes = 0
  for (let count = waveCount; count <= crowdCount; count += waveCount) {
    await crowd.grow(waveCount)
    t.truthy(await peer.call('statfs', {}))
    if (count === warmCount) warmBytes = memoryBytes()
  }
  const late = await dial(over, listener, await cluster.member('client'))
  t.truthy(await late.call('statfs', {}))
  t.truthy(await peer.call('statfs', {}))
  t.is(listener.serving.peers.size, 2)
  t.true(await eventually(() => crowd.openCount <= maxUnproven), `${crowd.openCount} are open`)
  t.true(crowd.mostCount < maxUnproven + 3 * waveCount, `${crowd.mostCount} were open at a time`)
  const grownBytes = crowdCount > warmCount ? memoryBytes() - warmBytes : 0
  t.true(grownBytes < maxGrowthBytes, `${grownBytes} bytes more`)
  const counted = () => {
    const [metric] = listener.tally.refused.metrics()
    t.is(metric?.name, 'rookery_refusals_total')
    if (metric?.kind === 'histogram') return 0
    return (metric?.samples ?? []).reduce((sum, { value }) => sum + value, 0)
  }
  t.true(await eventually(() => counted() >= crowdCount - maxUnproven), `${counted()} counted`)
  t.true((listener.refused.crowd ?? 0) > 0)
  const periods = Math.ceil((env.clock.monotonicMs() - startedMs) / logPeriodMs)
  t.true(listener.logged.length <= periods + 1, `${listener.logged.length} lines`)
  crowd.leave()
  await Promise.all([peer.close(), late.close()])
  await listener.close()
}

const claim = 'connections that say nothing stop nobody, and the oldest make room'

test.serial(
  `tcp: ten thousand ${claim}`,
  crowded,
  {
    ...{ name: 'tcp', provesKeys: false },
    make: () => new SocketTransport(env),
    address: () => 'tcp://127.0.0.1:0',
  },
  largeCount,
)
test.serial(
  `tls: ten thousand ${claim}`,
  crowded,
  {
    ...{ name: 'tls', provesKeys: false },
    make: identity => new TlsTransport(env, identity),
    address: () => 'tls://127.0.0.1:0',
  },
  largeCount,
)
test.serial(
  `libp2p: two thousand ${claim}`,
  crowded,
  {
    ...{ name: 'libp2p', provesKeys: true },
    make: identity => new Libp2pTransport(env, identity),
    address: () => 'libp2p://127.0.0.1:0',
  },
  smallCount,
)
