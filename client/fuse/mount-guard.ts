/**
 * Typed face of mount-guard.c, a program that ends a mount's connection to the kernel, at the latest when this process is
 * killed: by itself the connection would not end while a thread of ours waits in the kernel for the mount.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { programPath } from '../../network/addon.ts'

export interface MountGuard {
  /** Ends the connection now, and the guard with it. Harmless when the connection has ended. */
  end(): void
}

/**
 * @param device `major:minor` of the mount.
 * @throws Error when the guard cannot reach the connection: it takes root, or a fusectl that is mounted.
 */
export async function guardMount(device: string): Promise<MountGuard> {
  const [, minor = ''] = device.split(':')
  const child = spawn(programPath('client/fuse/mount-guard'), [minor, `${process.pid}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Whoever ends processes by the name of the mount's is not to end its guard as well.
    argv0: 'mount-guard',
    // Not among those whom a terminal, or a shell, sends its signals.
    detached: true,
  })
  child.unref()
  const complaint = text(child.stderr)
  const isReady = once(child.stdout, 'data').then(() => true)
  const isOver = once(child, 'close').then(() => false)
  if (!(await Promise.race([isReady, isOver]))) throw new Error((await complaint).trim())
  isOver.catch(() => undefined)
  return { end: () => void child.kill('SIGUSR1') }
}
