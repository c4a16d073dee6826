/**
 * One member of a cluster as a process, for tests that kill it: a manager or a server, whose settings are the first
 * argument. On its standard input come the points at which it is to stop, one a line, each answered by a line, and
 * the question whether copies are still being deleted (`drops`).
 */
import { createInterface } from 'node:readline'
import { startManager } from '../../manager/main.ts'
import { realEnv } from '../../network/env/real.ts'
import type { Log } from '../../network/log.ts'
import { SocketTransport } from '../../network/transport/socket.ts'
import { type RunningServer, startServer } from '../../server/main.ts'
import { type StopPoint, Stops } from './stopping.ts'

export interface MemberSettings {
  readonly name: string
  readonly directory: string
  readonly address: string
  readonly manager?: {
    readonly partitionCount: number
    readonly replicaCount: number
    readonly serversWanted: number
    readonly replaceAfterMs?: number
  }
  /** From its first moment on. */
  readonly stopAt?: StopPoint
  readonly server?: { readonly managers: readonly string[]; readonly boot: string }
}

const settings = JSON.parse(process.argv[2]!) as MemberSettings
const { name, directory, address } = settings
const env = realEnv()
const stops = new Stops()
stops.point = settings.stopAt ?? null
const transports = [stops.wrapped(new SocketTransport(env))]
const say = (fields: object, message: string): void => {
  const { error } = fields as { readonly error?: unknown }
  const why = error instanceof Error ? `: ${error.message}` : ''
  process.stderr.write(`${new Date().toISOString()} ${name}: ${message}${why}\n`)
}
const log: Log = { info() {}, warn: say }

const common = { env, log, transports, addresses: [address] }
let server: RunningServer | null = null
const id = await start()
process.stdout.write(`up ${id}\n`)
for await (const line of createInterface(process.stdin)) {
  if (line === 'drops') {
    process.stdout.write(`drops ${await dropCount()}\n`)
    continue
  }
  stops.point = JSON.parse(line) as StopPoint | null
  process.stdout.write('armed\n')
}
process.exit(0)

async function start(): Promise<string> {
  if (settings.manager !== undefined) {
    return (await startManager({ ...common, ...settings.manager, directory })).id
  }
  const { managers, boot } = settings.server!
  server = await startServer({
    ...common,
    managers,
    boot,
    name,
    domain: name,
    weight: 1,
    metaDirectory: `${directory}/meta`,
    dataDirectory: `${directory}/data`,
  })
  void server.failed.then(error => {
    say({ error }, 'failed')
    process.exit(3)
  })
  return server.id
}

async function dropCount(): Promise<number> {
  const metrics = (await server?.metrics()) ?? []
  const drops = metrics.find(metric => metric.name === 'rookery_copies_dropped')
  return drops?.kind === 'gauge' ? drops.samples[0]!.value : Number.NaN
}
