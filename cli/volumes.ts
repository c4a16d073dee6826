/** Volumes of a running cluster: make, change, list, delete. */
import type { Cluster } from '../client/cluster/contract.ts'
import { openVolume } from '../client/fs/volume.ts'
import { createVolume, deleteVolume, listVolumes, quotaOf, setQuota } from '../client/fs/volumes.ts'
import { formatBytes } from '../network/format/bytes.ts'
import { defaultVolume } from './arguments.ts'
import { administering, withCluster } from './client-session.ts'
import { codeOf, Failure } from './failure.ts'
import type { ClusterOptions } from './options.ts'
import { formatTable } from './table.ts'
import type { CreateOptions, SetOptions } from './volume.ts'

export async function create(name: string, options: CreateOptions): Promise<void> {
  await administering(options, async cluster => {
    checkReplicas(cluster, options.replicas)
    try {
      await make(cluster, name, options)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      throw new Failure(`there is a volume '${name}' already: choose another name`, {
        cause: error,
      })
    }
  })
  console.log(`created volume ${name}`)
}

export async function change(name: string, options: SetOptions): Promise<void> {
  const { quota, quotaFiles } = options
  if (quota === undefined && quotaFiles === undefined) {
    throw new Failure('say what to change: --quota or --quota-files', { usage: true })
  }
  await administering(options, cluster =>
    setQuota(cluster, name, {
      ...(quota === undefined ? {} : { bytes: limitOf(quota) }),
      ...(quotaFiles === undefined ? {} : { files: limitOf(quotaFiles) }),
    }),
  )
  console.log(`changed volume ${name}`)
}

export async function list(options: ClusterOptions & { readonly json?: true }): Promise<void> {
  const volumes = await withCluster(options, async cluster => {
    const found = await listVolumes(cluster)
    const quotas = found.map(volume => quotaOf(cluster, volume))
    return (await Promise.all(quotas)).map((quota, index) => ({ ...found[index]!, quota }))
  })
  const sorted = volumes.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const described = sorted.map(({ name, attributes, quota }) => ({
    name,
    blockBytes: attributes.blockBytes,
    inlineBytes: attributes.inlineBytes,
    entries: attributes.size,
    uid: attributes.uid,
    quota,
  }))
  if (options.json === true) {
    console.log(JSON.stringify(described, null, 2))
    return
  }
  const columns = [
    { title: 'VOLUME', align: 'left' },
    { title: 'BLOCK SIZE', align: 'right' },
    { title: 'INLINE LIMIT', align: 'right' },
    { title: 'OWNER', align: 'right' },
    { title: 'QUOTA', align: 'right' },
    { title: 'FILES', align: 'right' },
  ] as const
  const rows = described.map(volume => [
    volume.name,
    formatBytes(volume.blockBytes),
    formatBytes(volume.inlineBytes),
    String(volume.uid),
    shareOf(volume.quota.usedBytes, volume.quota.bytes, formatBytes),
    shareOf(volume.quota.usedFiles, volume.quota.files, String),
  ])
  console.log(formatTable(columns, rows))
}

function limitOf(limit: number | 'none'): number | null {
  return limit === 'none' ? null : limit
}

/** As in: 3 MiB of 10 MiB. */
function shareOf(used: number, limit: number | null, format: (count: number) => string): string {
  return limit === null ? '-' : `${format(used)} of ${format(limit)}`
}

export async function remove(name: string, options: ClusterOptions): Promise<void> {
  await administering(options, cluster => deleteVolume(cluster, name))
  console.log(`deleted volume ${name}`)
}

/** For the first start of a home, which may have been cut short after it made the volume. */
export async function makeDefaultVolume(home: string, managers: readonly string[]): Promise<void> {
  await administering({ home, manager: managers }, async cluster => {
    const volumes = await listVolumes(cluster)
    if (!volumes.some(volume => volume.name === defaultVolume)) await make(cluster, defaultVolume)
  })
}

/** A volume belongs to who made it. */
async function make(
  cluster: Cluster,
  name: string,
  { blockSize, inlineLimit, quota, quotaFiles }: Partial<CreateOptions> = {},
): Promise<void> {
  await createVolume(cluster, name, {
    ...(blockSize === undefined ? {} : { blockBytes: blockSize }),
    ...(inlineLimit === undefined ? {} : { inlineBytes: inlineLimit }),
  })
  if (quota !== undefined || quotaFiles !== undefined) {
    await setQuota(cluster, name, { bytes: quota ?? null, files: quotaFiles ?? null })
  }
  const uid = process.getuid?.() ?? 0
  const gid = process.getgid?.() ?? 0
  const fileSystem = await openVolume(cluster, name)
  await fileSystem.setattr(fileSystem.root, { uid, gid })
  await fileSystem.fsync(fileSystem.root)
  await fileSystem.close()
}

function checkReplicas(cluster: Cluster, replicas: number | undefined): void {
  const kept = cluster.view.replicaCount
  if (replicas === undefined || replicas <= kept) return
  throw new Failure(
    `the cluster keeps ${kept} cop${kept === 1 ? 'y' : 'ies'} of everything: ${replicas} replicas are not to be had from it`,
    { usage: true },
  )
}
