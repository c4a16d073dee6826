/** A real mount of an in-memory file system for one test, gone when the test is over, whatever happens. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import type { MountOptions } from './contract.ts'
import { unmountStale } from './mount.ts'

export const run = promisify(execFile)
/** Ends what hangs; far longer than anything takes on a machine that is busy with other things, too. */
const deadlineMs = 300_000

/** Why real mounts cannot be tried here; null when they can. */
export const noMounts: string | null = existsSync('/dev/fuse') ? null : 'no /dev/fuse here'

/** An empty directory, unmounted lazily and removed at the end. */
export async function mountpointFor(t: ExecutionContext): Promise<MountOptions> {
  const mountpoint = await mkdtemp(join(tmpdir(), 'rookery-mount-'))
  t.teardown(async () => {
    await unmountStale(mountpoint)
    await rmdir(mountpoint)
  })
  return { mountpoint, source: 'rookery:test', allowOther: false, readOnly: false }
}

/** Runs one exercise on the mount in a process of its own. */
export async function exercise(mountpoint: string, name: string, other = ''): Promise<void> {
  const script = new URL('exercise.test-support.ts', import.meta.url).pathname
  await run(process.execPath, [script, mountpoint, name, other], { timeout: deadlineMs })
}

export async function shell(script: string, ...words: string[]): Promise<string> {
  const { stdout } = await run('sh', ['-c', script, 'sh', ...words], { timeout: deadlineMs })
  return stdout
}
