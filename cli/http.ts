/** What a member shows over HTTP when `--http` asks for it: its metrics, and pages of its own. */
import type { Env } from '../network/env/env.ts'
import { type HttpAddress, type HttpPages, serveHttp } from '../network/http/serve.ts'
import type { Metric } from '../network/metrics/metric.ts'
import { RpcTally } from '../network/rpc/tally.ts'
import type { Logger } from './log.ts'

export interface MemberHttp {
  /** Of the page at `/`. */
  readonly url: string
  /** To be given to the member, which counts in it. */
  readonly tally: RpcTally
  /** The member is up: `metrics` are asked for each time somebody looks. */
  show(metrics: () => Promise<readonly Metric[]>, pages?: HttpPages): void
  close(): Promise<void>
}

export interface MemberHttpInit {
  readonly env: Env
  readonly log: Logger
  /** Nothing is served, and nothing counted, without it. */
  readonly address: HttpAddress | undefined
}

/**
 * Listens before the member starts, so that a port that is taken is known before anything has happened.
 * @throws ClusterError IN_USE, UNREACHABLE.
 */
export async function openHttp({ env, log, address }: MemberHttpInit): Promise<MemberHttp | null> {
  if (address === undefined) return null
  const { expose } = await import('./exposition.ts')
  const serving = await serveHttp({ env, log, address })
  const tally = new RpcTally(env)
  log.info({ url: serving.url }, 'serving metrics over HTTP')
  return {
    url: serving.url,
    tally,
    show(metrics, pages = new Map()) {
      const exposed = async () => expose([...(await metrics()), ...tally.metrics()])
      serving.show(new Map([...pages, ['/metrics', exposed]]))
    },
    close: () => serving.close(),
  }
}
