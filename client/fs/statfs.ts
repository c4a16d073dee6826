/** statfs(2): asked of all servers each time. */
import type { StatfsReply } from '../../network/wire/operations.ts'
import { inParallel } from '../cluster/parallel.ts'
import type { Context } from './context.ts'
import type { SpaceReport } from './contract.ts'

export async function statfs({ cluster }: Context): Promise<SpaceReport> {
  const servers = cluster.servers()
  const shares = await inParallel(servers.length, servers.length, async index => {
    return (await cluster.ask('statfs', servers[index]!, {})).body
  })
  return sumOf(shares)
}

/** What is used adds up; what is free on one disk is free once, however many servers share it. */
export function sumOf(shares: readonly StatfsReply[]): SpaceReport {
  const freeByDisk = new Map<string, number>()
  let usedBytes = 0
  let files = 0
  for (const share of shares) {
    usedBytes += share.usedBytes
    files += share.files
    freeByDisk.set(share.disk, Math.max(freeByDisk.get(share.disk) ?? 0, share.freeBytes))
  }
  let freeBytes = 0
  for (const free of freeByDisk.values()) freeBytes += free
  return { totalBytes: usedBytes + freeBytes, freeBytes, availableBytes: freeBytes, files }
}
