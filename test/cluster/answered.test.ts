/** What programs were answered before it was done is done, though the mount is killed. */
import { mkdir, open, readFile, stat, unlink } from 'node:fs/promises'
import { eventually } from './eventually.ts'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'

/** By name: the length that a program was told it has; null: that it was removed. */
type Told = Map<string, number | null>

/** Makes, writes and removes files until that fails, as the mount is gone. */
async function work(directory: string, told: Told): Promise<void> {
  await mkdir(directory)
  for (let count = 0; ; count++) {
    const path = `${directory}/f${count}`
    const text = count % 3 === 0 ? '' : path.repeat(count % 50)
    const file = await open(path, 'wx')
    try {
      if (text !== '') await file.write(text)
    } finally {
      await file.close()
    }
    told.set(path, text.length)
    if (count % 4 !== 3) continue
    const old = `${directory}/f${count - 2}`
    told.delete(old)
    await unlink(old)
    told.set(old, null)
  }
}

async function lengthOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return null
    throw error
  }
}

testMounted('what was answered is there though the mount is killed at once', async t => {
  const cluster = await startCluster(t)
  for (let round = 0; round < 4; round++) {
    const mountpoint = await cluster.mountAgain(`mount-${round}`)
    const told: Told = new Map()
    const working = [0, 1].map(index => work(`${mountpoint}/${round}.${index}`, told))
    const ended = Promise.allSettled(working)
    await eventually('some changes were made', async () => told.size > 100 + 37 * round)
    await cluster.killMount(mountpoint)
    await ended
    for (const [path, length] of told) {
      const there = path.replace(mountpoint, cluster.mountpoint)
      t.is(await lengthOf(there), length, path)
      if (length !== null && length > 0)
        t.is(await readFile(there, 'utf8'), path.repeat(length / path.length))
    }
  }
  await cluster.isSound(t)
})
