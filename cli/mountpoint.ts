/** Mount points: what is mounted where, and whether a directory can become one. */
import { execFile } from 'node:child_process'
import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { maxMemberTextBytes } from '../network/limits.ts'
import { makeDirectories, whyNotMade } from '../network/membership/make-directories.ts'
import { codeOf, Failure } from './failure.ts'

const run = promisify(execFile)

/** How long a mount may take to tell of its root, before it counts as one that does not answer. */
const lookMs = 5000

export interface MountEntry {
  readonly mountpoint: string
  readonly type: string
  readonly source: string
}

/** Every mount of this process's namespace, in the form of proc_pid_mountinfo(5). */
export function parseMountinfo(text: string): MountEntry[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const [before = '', after = ''] = line.split(' - ')
      const [type = '', source = ''] = after.split(' ')
      return {
        mountpoint: decodeOctal(before.split(' ')[4] ?? ''),
        type,
        source: decodeOctal(source),
      }
    })
}

/**
 * The path as the mount table has it. What the path itself names is not touched unless it is a link: a dead
 * mount answers nothing.
 */
export async function locate(path: string): Promise<string> {
  const absolute = resolve(path)
  const parent = await realpath(dirname(absolute)).catch(() => dirname(absolute))
  const here = join(parent, basename(absolute))
  const link = await readlink(here).catch(() => null)
  return link === null ? here : await realpath(here).catch(() => here)
}

/** What is mounted at exactly this path; the topmost when there are several. */
export async function mountAt(path: string): Promise<MountEntry | null> {
  const mountpoint = await locate(path)
  const mounts = parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'))
  return mounts.findLast(mount => mount.mountpoint === mountpoint) ?? null
}

/** What a mount is called in lists of members; of a path that is too long for that, its end. */
export function mountName(mountpoint: string): string {
  const whole = `mount ${mountpoint}`
  if (Buffer.byteLength(whole) <= maxMemberTextBytes) return whole
  const shortened = 'mount …'
  const bytes = Buffer.from(mountpoint)
  let from = bytes.length - (maxMemberTextBytes - Buffer.byteLength(shortened))
  // Not in the middle of a character.
  while ((bytes[from]! & 0xc0) === 0x80) from++
  return shortened + bytes.toString('utf8', from)
}

export function isRookery(mount: MountEntry): boolean {
  return mount.type.startsWith('fuse') && mount.source.startsWith('rookery:')
}

/**
 * Makes sure that `path` can be mounted on.
 * @param create makes the directory when it is missing.
 * @returns 'stale' when a mount whose process died is in the way: unmount it first.
 * @throws Failure when it is missing, not a directory, not empty or mounted already.
 */
export async function checkMountpoint(
  path: string,
  options: { readonly create: boolean },
): Promise<'free' | 'stale'> {
  const mount = await mountAt(path)
  if (mount !== null) {
    const state = isRookery(mount) ? await lookAt(path) : 'alive'
    if (state === 'dead') return 'stale'
    const advice =
      state === 'alive'
        ? 'unmount it, or choose another'
        : 'it does not answer; `rookery umount --force` takes it away from whoever waits for it'
    throw new Failure(`${path} is already mounted (${mount.source}): ${advice}`)
  }
  if (options.create) await makeDirectory(path)
  const entries = await readdir(path).catch(cause => {
    throw new Failure(`mount point ${path}: ${reason(codeOf(cause))}`, { cause })
  })
  if (entries.length > 0) {
    throw new Failure(`mount point ${path} is not empty: choose an empty directory`)
  }
  return 'free'
}

async function makeDirectory(path: string): Promise<void> {
  await makeDirectories(path).catch(cause => {
    throw new Failure(`mount point ${path}: ${whyNotMade(cause)}`, { cause })
  })
}

/** Asked by a process of its own, which is left to itself when it is late: what has asked a mount may not even be killed. */
async function lookAt(path: string): Promise<'alive' | 'dead' | 'silent'> {
  const over = new AbortController()
  const late = setTimeout(lookMs, 'silent' as const, { signal: over.signal })
  late.catch(() => undefined)
  return await Promise.race([ask(path), late]).finally(() => over.abort())
}

async function ask(path: string): Promise<'alive' | 'dead'> {
  try {
    const env = { ...process.env, LC_ALL: 'C' }
    await run('stat', ['--', path], { timeout: 2 * lookMs, killSignal: 'SIGKILL', env })
    return 'alive'
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
    return /not connected|connection abort/.test(said) ? 'dead' : 'alive'
  }
}

function reason(code: string | undefined): string {
  if (code === 'ENOENT') return 'there is no such directory'
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'it is not a directory'
  if (code === 'EACCES') return 'permission denied'
  return `${code}`
}

/** The kernel writes space, tab, newline and backslash as octal escapes. */
function decodeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
