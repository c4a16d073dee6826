/** Is this directory fit to be mounted on? Every "no" says what to do about it. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { PosixError } from '../../network/errors.ts'

/**
 * @returns the real path of the mountpoint.
 * @throws PosixError ENOENT, ENOTDIR, ENOTEMPTY, EBUSY (mounted, alive or dead) with what to do.
 */
export async function checkMountpoint(mountpoint: string): Promise<string> {
  const path = await realMountpoint(mountpoint)
  if ((await mountsAt(path)) > 0) {
    throw new PosixError(
      'EBUSY',
      `${path} is a mountpoint already: unmount it with \`rookery umount ${path}\``,
    )
  }
  if ((await readdir(path)).length > 0) {
    throw new PosixError('ENOTEMPTY', `${path} is not empty: what it holds would be hidden`)
  }
  return path
}

async function realMountpoint(mountpoint: string): Promise<string> {
  try {
    const path = await realpath(mountpoint)
    if ((await stat(path)).isDirectory()) return path
  } catch (error) {
    throw explained(mountpoint, error)
  }
  throw new PosixError('ENOTDIR', `${mountpoint} is not a directory`)
}

function explained(mountpoint: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const say = (posix: 'ENOENT' | 'ENOTDIR' | 'EACCES' | 'EBUSY', text: string) =>
    new PosixError(posix, `${mountpoint} ${text}`, { cause: error })
  if (code === 'ENOENT') return say('ENOENT', `does not exist: mkdir ${mountpoint}`)
  if (code === 'ENOTDIR') return say('ENOTDIR', 'is not a directory')
  if (code === 'EACCES') return say('EACCES', 'may not be entered by this user')
  if (code !== 'ENOTCONN') return error
  const advice = `clean up with \`rookery umount ${mountpoint}\` or \`fusermount3 -u ${mountpoint}\``
  return say('EBUSY', `holds a dead mount ("Transport endpoint is not connected"): ${advice}`)
}

/** How many mounts lie on exactly this path. */
export async function mountsAt(path: string): Promise<number> {
  return (await devicesAt(path)).length
}

/** `major:minor` of each mount on exactly this path, the topmost last (proc_pid_mountinfo(5)). */
export async function devicesAt(path: string): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8')
  const fields = table.split('\n').map(line => line.split(' '))
  return fields.filter(([, , , , at = '']) => unescapeOctal(at) === path).map(line => line[2]!)
}

/** The mountpoint as the mount table has it; it may be dead, so that only its parent can be asked. */
export async function mountedPath(mountpoint: string): Promise<string> {
  try {
    return await realpath(mountpoint)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'ENOTCONN') throw error
    return join(await realpath(dirname(resolve(mountpoint))), basename(resolve(mountpoint)))
  }
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(parseInt(octal, 8)),
  )
}
