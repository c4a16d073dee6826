/** A server's data directory: one file, `blocks.dat`, that holds the blocks. */
import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { ClusterError } from '../../network/errors.ts'
import { openFileDevice, syncDirectory } from '../device/file.ts'
import { type BlockStoreOptions, openBlockStore } from './block-store.ts'
import type { BlockStore } from './contract.ts'

export const blocksFileName = 'blocks.dat'

export type DataDirectoryOptions = Omit<BlockStoreOptions, 'device'>

/**
 * The directory is made when it is missing; that it belongs to this server is for the caller to see to.
 * @throws ClusterError DISK.
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
  const device = await openFileDevice(join(path, blocksFileName))
  try {
    return await openBlockStore({ ...options, device })
  } catch (error) {
    await device.close()
    throw error
  }
}

async function makeDirectories(path: string): Promise<void> {
  const firstMade = await mkdir(path, { recursive: true })
  if (firstMade === undefined) return
  for (let made = path; made.length >= firstMade.length; made = dirname(made)) {
    await syncDirectory(dirname(made))
  }
}
