/**
 * Level begins a new log every now and then without syncing the one before: a synced batch is on the disk
 * then, and an older one is not. So a sync takes the older logs along.
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'

const logName = /^\d+\.log$/

/**
 * Syncs every log in the directory but the newest, which Level's own synced batch has seen to. A log that goes
 * away meanwhile has become a table, which Level syncs by itself.
 */
export async function syncOlderLogs(directory: string): Promise<void> {
  const logs = (await readdir(directory)).filter(name => logName.test(name))
  if (logs.length < 2) return
  const oldestFirst = logs.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
  await Promise.all(oldestFirst.slice(0, -1).map(name => syncLog(join(directory, name))))
}

async function syncLog(path: string): Promise<void> {
  try {
    await using log = await open(path, 'r+')
    await log.datasync()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}
