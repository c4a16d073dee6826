/** A client for as long as one command takes. */
import type { Cluster } from '../client/cluster/contract.ts'
import { connectClient } from '../client/main.ts'
import { realEnv } from '../network/env/real.ts'
import { accessFor, clientAccess } from './access.ts'
import { openLogger } from './log.ts'
import type { ClusterOptions } from './options.ts'

/** Joins the cluster, does the work and leaves. Only warnings are worth a line meanwhile. */
export async function withCluster<T>(
  options: ClusterOptions,
  work: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const env = realEnv()
  const access = clientAccess(env, await accessFor(options))
  const log = openLogger('rookery', 'error')
  const cluster = await connectClient({ ...access, env, name: 'command line', log })
  try {
    return await work(cluster)
  } finally {
    await cluster.close()
  }
}
