/** A server's data directory: one file, `blocks.dat`, that holds the blocks. */
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ClusterError } from '../../network/errors.ts'
import { makeDirectories } from '../../network/membership/make-directories.ts'
import { type FileDeviceOptions, openFileDevice, syncDirectory } from '../device/file.ts'
import { type BlockStoreOptions, openBlockStore } from './block-store.ts'
import type { BlockStore } from './contract.ts'
import { partitionBlockRange } from './index.ts'

export const blocksFileName = 'blocks.dat'

export type DataDirectoryOptions = Omit<BlockStoreOptions, 'device'> & FileDeviceOptions

/**
 * The directory is made when it is missing; that it belongs to this server is for the caller to see to.
 * @throws ClusterError DISK; also when the file of blocks is missing though the index names some.
 */
export async function openDataDirectory(
  path: string,
  options: DataDirectoryOptions,
): Promise<BlockStore> {
  try {
    await makeDurably(resolve(path))
  } catch (cause) {
    throw new ClusterError('DISK', `cannot make data directory ${path}`, { cause })
  }
  const file = join(path, blocksFileName)
  if (!existsSync(file) && (await namesBlocks(options))) {
    // Before anything is made in its place, or given up as lost with the power.
    const text = `${blocksFileName} is not in ${path}, but there are blocks in it: mount its disk, or restore it`
    throw new ClusterError('DISK', text)
  }
  const device = await openFileDevice(file, options)
  try {
    return await openBlockStore({ ...options, device })
  } catch (error) {
    await device.close()
    throw error
  }
}

/** Whether the index has a record of any block. */
async function namesBlocks({ index, partitions }: DataDirectoryOptions): Promise<boolean> {
  for (const partition of partitions) {
    const [from, to] = partitionBlockRange(partition)
    for await (const _ of index.range(from, to)) return true
  }
  return false
}

async function makeDurably(path: string): Promise<void> {
  const firstMade = await makeDirectories(path)
  if (firstMade === undefined) return
  for (let made = path; made.length >= firstMade.length; made = dirname(made)) {
    await syncDirectory(dirname(made))
  }
}
