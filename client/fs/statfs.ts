/** statfs(2): asked of all servers each time; one that is away does not make it fail. */
import { PosixError } from '../../network/errors.ts'
import { type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { QuotaReply, StatfsReply } from '../../network/wire/operations.ts'
import type { Context } from './context.ts'
import type { SpaceReport } from './contract.ts'

/** @throws PosixError EIO when no server has answered yet. */
export async function statfs({ cluster, space }: Context, root: Ino): Promise<SpaceReport> {
  const asked = cluster.query('quota', partitionOfIno(root), { ino: root })
  const [shares, { body }] = await Promise.all([space.all(), asked])
  if (shares.length === 0) throw new PosixError('EIO', 'no server tells of its space')
  return within(sumOf(shares), body)
}

/** A volume with a quota is as large as that; what is free of it may be on no disk. */
export function within(space: SpaceReport, quota: QuotaReply): SpaceReport {
  const report = { ...space }
  if (quota.bytes !== null) {
    const left = Math.max(0, quota.bytes - quota.usedBytes)
    report.totalBytes = quota.bytes
    report.freeBytes = Math.min(left, space.freeBytes)
    report.availableBytes = Math.min(left, space.availableBytes)
  }
  if (quota.files !== null) {
    const left = Math.max(0, quota.files - quota.usedFiles)
    report.freeFiles = Math.min(left, space.freeFiles)
    report.files = Math.max(quota.usedFiles, quota.files - report.freeFiles)
  }
  return report
}

/**
 * What is used adds up, and so does what is free in the files of servers; what is free on one disk is free once, however
 * many servers share it.
 */
export function sumOf(shares: readonly StatfsReply[]): SpaceReport {
  const freeByDisk = new Map<string, number>()
  const freeByMetaDisk = new Map<string, number>()
  let usedBytes = 0
  let ownBytes = 0
  let files = 0
  for (const { disk, metaDisk, ...share } of shares) {
    usedBytes += share.usedBytes
    ownBytes += share.ownFreeBytes
    files += share.files
    const shared = share.freeBytes - share.ownFreeBytes
    freeByDisk.set(disk, Math.max(freeByDisk.get(disk) ?? 0, shared))
    freeByMetaDisk.set(metaDisk, Math.max(freeByMetaDisk.get(metaDisk) ?? 0, share.freeFiles))
  }
  const freeBytes = ownBytes + sum(freeByDisk)
  const freeFiles = sum(freeByMetaDisk)
  const totalBytes = usedBytes + freeBytes
  return { totalBytes, freeBytes, availableBytes: freeBytes, files, freeFiles }
}

function sum(byDisk: ReadonlyMap<string, number>): number {
  let all = 0
  for (const free of byDisk.values()) all += free
  return all
}
