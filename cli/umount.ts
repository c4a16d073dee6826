/** `rookery umount`: takes a mount off its mount point. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { Command } from 'commander'
import { codeOf, Failure } from './failure.ts'
import { isRookery, mountAt } from './mountpoint.ts'

export function umountCommand(): Command {
  return new Command('umount')
    .description('Unmount a volume.')
    .argument('<mountpoint>')
    .option('--force', 'even while programs use it: their open files then give errors')
    .addHelpText('after', '\nExample:\n  $ rookery umount ~/rookery')
    .action(umount)
}

async function umount(mountpoint: string, options: { readonly force?: true }): Promise<void> {
  const mount = await mountAt(mountpoint)
  if (mount === null || !isRookery(mount)) {
    throw new Failure(`nothing of Rookery is mounted at ${mountpoint}`)
  }
  await unmount(mount.mountpoint, options.force === true)
}

/**
 * Root may unmount by itself; others need fusermount3, which is setuid.
 * @param force even while programs use it, or when its process is gone.
 * @throws Failure when it is in use or cannot be unmounted.
 */
export async function unmount(mountpoint: string, force: boolean): Promise<void> {
  const [command, args] =
    process.getuid?.() === 0
      ? ['umount', force ? ['--force', '--lazy'] : []]
      : ['fusermount3', force ? ['-u', '-z'] : ['-u']]
  const child = spawn(command, [...args, mountpoint], { stdio: ['ignore', 'ignore', 'pipe'] })
  const failed = once(child, 'close').then(([code]) => code !== 0)
  const complaint = text(child.stderr)
  if (!(await failed.catch(error => missing(command, error)))) return
  const said = (await complaint).trim()
  if (/busy/i.test(said)) {
    throw new Failure(`${mountpoint} is in use by a program: close it, or use --force`)
  }
  throw new Failure(`${mountpoint} cannot be unmounted: ${said}`)
}

function missing(command: string, cause: unknown): never {
  throw new Failure(`${command} cannot be run (${codeOf(cause)}): install fuse3`, { cause })
}
