/** Whether partitions count of each volume what their inodes say, and no more is granted than a home knows of. */
import type { Ino } from '../../network/wire/ids.ts'
import type { Key } from '../metadata/contract.ts'
import { shareOf } from '../metadata/inode.ts'
import { inoOfKey, isKeyOf, keyKind, partitionOfKey, usageKey } from '../metadata/keys.ts'
import { decodeQuota } from '../metadata/quota.ts'
import { decodeUsage } from '../metadata/usage.ts'

type Contents = readonly ReadonlyMap<Key, Uint8Array>[]

interface Share {
  bytes: number
  files: number
}

export function usageFaultsIn(contents: Contents): string[] {
  const faults: string[] = []
  for (const content of contents) {
    const off = new Map<Key, Share>()
    const add = (partition: number, volume: Ino, bytes: number, files: number) => {
      const share = off.get(usageKey(partition, volume)) ?? { bytes: 0, files: 0 }
      share.bytes += bytes
      share.files += files
      off.set(usageKey(partition, volume), share)
    }
    for (const [key, value] of content) {
      if (isKeyOf(key, keyKind.inode)) {
        const { volume, bytes } = shareOf(value)
        if (volume !== 0) add(partitionOfKey(key), volume, bytes, 1)
      } else if (isKeyOf(key, keyKind.usage)) {
        const { usedBytes, usedFiles } = decodeUsage(value)
        add(partitionOfKey(key), inoOfKey(key), -usedBytes, -usedFiles)
      }
    }
    for (const [key, { bytes, files }] of off) {
      if (bytes === 0 && files === 0) continue
      const where = `partition ${partitionOfKey(key)} has of volume ${inoOfKey(key)}`
      faults.push(`${where} ${files} files and ${bytes} bytes more than it counts`)
    }
  }
  return [...faults, ...grantFaultsIn(contents)]
}

function* grantFaultsIn(contents: Contents): Generator<string> {
  const homes = contents.flatMap(content =>
    [...content].filter(([key]) => isKeyOf(key, keyKind.quota)),
  )
  for (const [key, value] of homes) {
    const volume = inoOfKey(key)
    const { grants, epoch } = decodeQuota(value)
    for (const { partition, files, bytes } of grants) {
      const records = contents.map(content => content.get(usageKey(partition, volume)))
      const record = records.find(found => found !== undefined)
      if (record === undefined) continue
      const usage = decodeUsage(record)
      if (!usage.limited || usage.epoch !== epoch) continue
      if (usage.grantFiles <= files && usage.grantBytes <= bytes) continue
      yield `partition ${partition} has more of volume ${volume} than was granted`
    }
  }
}
