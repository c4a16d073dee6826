/** Gets the device of a new mount, and gives mounts back: as root by ourselves, else through fusermount3. */
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import { isPosixCode, PosixError } from '../../network/errors.ts'
import { maxFuseDataBytes } from '../../network/limits.ts'
import { loadAttach } from './attach.ts'
import type { MountOptions } from './contract.ts'

/** Flags of mount(2). */
const mountFlag = { readOnly: 1, noSuid: 2, noDev: 4, noAtime: 1024 } as const

const helper = 'fusermount3'
const enoent = 'ENOENT'

/** A mount of ours: the descriptor to talk over, and how to end it. */
export interface Device {
  readonly fd: number
  /** @throws PosixError EBUSY while it is used, unless by `force`: who uses it gets errors then. */
  detach(options: { readonly force: boolean }): Promise<void>
  /** By force, at once, for a process that ends. */
  detachNow(): void
}

/** @throws PosixError when the system refuses, with what to do about it. */
export async function attachDevice(options: MountOptions): Promise<Device> {
  if (!existsSync('/dev/fuse')) {
    throw new PosixError('ENODEV', 'no /dev/fuse: load the kernel module with `modprobe fuse`')
  }
  if (isRoot()) return attachAsRoot(options)
  if (options.suid === true) throw new PosixError('EPERM', 'only root mounts with --suid')
  if (options.dev === true) throw new PosixError('EPERM', 'only root mounts with --dev')
  return await attachThroughHelper(options)
}

export function isRoot(): boolean {
  return process.geteuid?.() === 0
}

function attachAsRoot(options: MountOptions): Device {
  const addon = loadAttach()
  const { mountpoint, source } = options
  const owner = `rootmode=40000,user_id=${process.getuid?.()},group_id=${process.getgid?.()}`
  const words = `${owner},${commonOptions(options)}`
  const fd = addon.attach(mountpoint, source, words, flagsOf(options))
  if (fd < 0) throw systemError(fd, `mount ${mountpoint}`)
  return {
    fd,
    detach: how => detachPath(mountpoint, how),
    detachNow: () => detachPathNow(mountpoint),
  }
}

function flagsOf({ readOnly, suid = false, dev = false, noAtime = false }: MountOptions): number {
  return (
    (readOnly ? mountFlag.readOnly : 0) |
    (suid ? 0 : mountFlag.noSuid) |
    (dev ? 0 : mountFlag.noDev) |
    (noAtime ? mountFlag.noAtime : 0)
  )
}

/**
 * Checking permissions costs the kernel a GETATTR for each directory on the way, again and again where it
 * may not keep the answer. Where nobody but root may enter, root passes every check, so it is spared.
 */
export function checksPermissions(options: Pick<MountOptions, 'allowOther'>): boolean {
  return options.allowOther || !isRoot()
}

function commonOptions(options: MountOptions): string {
  const checked = checksPermissions(options) ? 'default_permissions,' : ''
  return `${checked}max_read=${maxFuseDataBytes}${options.allowOther ? ',allow_other' : ''}`
}

/** The way of an ordinary user; fusermount(1) sends the device over a socket (_FUSE_COMMFD). */
export async function attachThroughHelper(options: MountOptions): Promise<Device> {
  const addon = loadAttach()
  const { mountpoint } = options
  const pair = addon.socketPair()
  if (typeof pair === 'number') throw systemError(pair, 'socketpair')
  const [ours, theirs] = pair
  try {
    await runHelper(['-o', helperOptions(options), '--', mountpoint], theirs)
    const fd = addon.receiveDescriptor(ours)
    if (fd < 0) throw systemError(fd, `${helper} sent no device`)
    return {
      fd,
      detach: ({ force }) => runHelper(['-u', ...(force ? ['-z'] : []), '--', mountpoint], null),
      detachNow: () => void spawnSync(helper, ['-u', '-z', '-q', '--', mountpoint]),
    }
  } finally {
    closeSync(ours)
    closeSync(theirs)
  }
}

function helperOptions(options: MountOptions): string {
  const source = options.source.replace(/[\\,]/g, '\\$&')
  const access = options.readOnly ? 'ro' : 'rw'
  const atime = options.noAtime === true ? ',noatime' : ''
  return `${access},nosuid,nodev${atime},fsname=${source},subtype=rookery,${commonOptions(options)}`
}

/** @param socket inherited as descriptor 3, or null. */
function runHelper(words: readonly string[], socket: number | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(helper, words, {
      stdio: ['ignore', 'ignore', 'pipe', socket ?? 'ignore'],
      env: { ...process.env, ...(socket !== null && { _FUSE_COMMFD: '3' }) },
    })
    let said = ''
    child.stderr?.on('data', (text: Buffer) => {
      said = (said + text.toString()).slice(-1000)
    })
    child.on('error', cause => reject(helperMissing(cause)))
    child.on('close', code => {
      if (code === 0) return resolve()
      const busy = /busy/i.test(said)
      reject(new PosixError(busy ? 'EBUSY' : 'EPERM', `${said.trim() || `${helper}: ${code}`}`))
    })
  })
}

function helperMissing(cause: Error): Error {
  const missing = 'code' in cause && cause.code === enoent
  const message = missing ? `${helper} not found: install the package fuse3` : `${helper} failed`
  return new PosixError('ENODEV', message, { cause })
}

/** Ends a mount whoever made it. @throws PosixError EBUSY while it is used, unless by `force`. */
export async function detachPath(
  path: string,
  options: { readonly force: boolean },
): Promise<void> {
  const { force } = options
  if (!isRoot()) return runHelper(['-u', ...(force ? ['-z'] : []), '--', path], null)
  const result = await loadAttach().detach(path, force)
  if (result < 0) throw systemError(result, `unmount ${path}`)
}

/** By force, at once, for a process that ends. */
export function detachPathNow(path: string): void {
  if (isRoot()) loadAttach().detachNow(path)
  else spawnSync(helper, ['-u', '-z', '-q', '--', path])
}

function systemError(negative: number, during: string): PosixError {
  const code = getSystemErrorName(negative)
  const message =
    code === 'EBUSY' ? `${during}: in use by a program (see fuser -vm)` : `${during}: ${code}`
  return new PosixError(isPosixCode(code) ? code : 'EIO', message)
}
