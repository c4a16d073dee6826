/** Serves a manager's addresses. */
import type { Env } from '../network/env/env.ts'
import type { Log } from '../network/log.ts'
import { transportFor } from '../network/membership/transport-for.ts'
import type { Service } from '../network/rpc/contract.ts'
import type { ServeOptions, Serving } from '../network/rpc/serve.ts'
import { serve } from '../network/rpc/serve.ts'
import type { Transport } from '../network/transport/contract.ts'
import type { Connections } from './http/metrics.ts'

export interface ListenInit
  extends Pick<ServeOptions, 'hello' | 'admit' | 'tally' | 'credentials'> {
  readonly env: Env
  readonly transports: readonly Transport[]
  readonly addresses: readonly string[]
  readonly service: Service
  readonly log: Log
}

/** All or none. @throws ClusterError IN_USE or UNREACHABLE. */
export async function serveAll(init: ListenInit): Promise<readonly Serving[]> {
  const { transports, addresses, log, ...rest } = init
  const servings: Serving[] = []
  try {
    for (const address of addresses) {
      const transport = transportFor(transports, address)
      const report = (message: string, error?: unknown) => log.warn({ error }, message)
      servings.push(await serve({ ...rest, transport, address, log: report }))
    }
    return servings
  } catch (error) {
    await Promise.all(servings.map(serving => serving.close()))
    throw error
  }
}

export function connectionsOf(servings: readonly Serving[]): Connections {
  return {
    open: servings.reduce((total, { peers }) => total + peers.size, 0),
    refused: servings.reduce((total, { refusedCount }) => total + refusedCount, 0),
  }
}
