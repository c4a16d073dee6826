/** statfs(2): the sum over all servers, asked each time. */
import { inParallel } from '../cluster/parallel.ts'
import type { Context } from './context.ts'
import type { SpaceReport } from './contract.ts'

export async function statfs({ cluster }: Context): Promise<SpaceReport> {
  const servers = cluster.servers()
  const shares = await inParallel(servers.length, servers.length, async index => {
    return (await cluster.ask('statfs', servers[index]!, {})).body
  })
  const total = { totalBytes: 0, freeBytes: 0, availableBytes: 0, files: 0 }
  for (const share of shares) {
    total.totalBytes += share.totalBytes
    total.freeBytes += share.freeBytes
    total.availableBytes += share.availableBytes
    total.files += share.files
  }
  return total
}
