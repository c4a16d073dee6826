/**
 * How far the kernel reads ahead on a mount. Its default (128 KiB) makes a sequential reader wait for a
 * round trip eight times in each block; only root may raise it.
 */
import { writeFile } from 'node:fs/promises'
import { kernelReadAheadBytes } from '../../network/limits.ts'
import type { Log } from '../../network/log.ts'
import { devicesAt } from './mountpoint.ts'

/** Leaves the default, and says so, where it may not be raised (sysfs-class-bdi(5)). */
export async function raiseKernelReadAhead(mountpoint: string, log: Log): Promise<void> {
  const device = (await devicesAt(mountpoint)).at(-1)
  const file = `/sys/class/bdi/${device}/read_ahead_kb`
  try {
    await writeFile(file, String(kernelReadAheadBytes / 1024))
  } catch (error) {
    log.info({ file, error }, 'the kernel reads ahead by its default only: raising it takes root')
  }
}
