/** A client for as long as one command takes. */
import type { Cluster } from '../client/cluster/contract.ts'
import { connectClient } from '../client/main.ts'
import { realEnv } from '../network/env/real.ts'
import { type Access, accessFor, assertAdministrates, clientAccess } from './access.ts'
import { openLogger } from './log.ts'
import type { ClusterOptions } from './options.ts'

/** Joins the cluster, does the work and leaves. Only warnings are worth a line meanwhile. */
export async function withCluster<T>(
  options: ClusterOptions,
  work: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  return await within(await accessFor(options), work)
}

/** As `withCluster`, for what administrators do. @throws Failure for anybody else. */
export async function administering<T>(
  options: ClusterOptions,
  work: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const access = await accessFor(options)
  assertAdministrates(access)
  return await within(access, work)
}

async function within<T>(granted: Access, work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const env = realEnv()
  const access = clientAccess(env, granted)
  const log = openLogger('rookery', 'error')
  const cluster = await connectClient({ ...access, env, name: 'command line', log })
  try {
    return await work(cluster)
  } finally {
    await cluster.close()
  }
}
