/** A server's data directory: one file, `blocks.dat`, that holds the blocks. */
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { ClusterError } from '../../network/errors.ts'
import { openFileDevice, syncDirectory } from '../device/file.ts'
import { type BlockStoreOptions, openBlockStore } from './block-store.ts'
import type { BlockStore } from './contract.ts'

export const blocksFileName = 'blocks.dat'

export type DataDirectoryOptions = Omit<BlockStoreOptions, 'device'>

/**
 * The directory is made when it is missing; that it belongs to this server is for the caller to see to.
 * @throws ClusterError DISK; also when the file of blocks is missing though the index names some.
 */
export async function openDataDirectory(
  path: string,
  options: DataDirectoryOptions,
): Promise<BlockStore> {
  try {
    await makeDirectories(resolve(path))
  } catch (cause) {
    throw new ClusterError('DISK', `cannot make data directory ${path}`, { cause })
  }
  const file = join(path, blocksFileName)
  const missing = !existsSync(file)
  const device = await openFileDevice(file)
  try {
    const store = await openBlockStore({ ...options, device })
    if (missing) await assertNoBlocks(store, path)
    return store
  } catch (error) {
    await device.close()
    // An empty file in its place would pass for the real one at the next start.
    if (missing) await rm(file, { force: true })
    throw error
  }
}

async function assertNoBlocks(store: BlockStore, path: string): Promise<void> {
  const { blocks } = await store.statistics()
  if (blocks === 0) return
  const text = `${blocksFileName} with ${blocks} blocks is not in ${path}: mount its disk, or restore it`
  throw new ClusterError('DISK', text)
}

async function makeDirectories(path: string): Promise<void> {
  const firstMade = await mkdir(path, { recursive: true })
  if (firstMade === undefined) return
  for (let made = path; made.length >= firstMade.length; made = dirname(made)) {
    await syncDirectory(dirname(made))
  }
}
