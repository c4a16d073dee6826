/**
 * Mounts a FileSystem through our own channel to the kernel.
 *
 * 1. A process that ends by itself, also by an exception, leaves no mount behind. One that was killed
 *    leaves a dead one, which `unmountStale` removes: its connection to the kernel ends, whatever its threads wait for.
 * 2. The device is closed once, when the kernel or we end the mount; then the session lets go of all files.
 */
import { type Log, silentLog } from '../../network/log.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { FileSystem } from '../fs/contract.ts'
import { type ChannelStatistics, DeviceChannel } from './channel.ts'
import type { Mount, Mounted, MountOptions } from './contract.ts'
import { attachDevice, checksPermissions, type Device, detachPath, isRoot } from './device.ts'
import { raiseKernelReadAhead } from './kernel-read-ahead.ts'
import { beginTimes } from './kernel-times.ts'
import { guardMount, type MountGuard } from './mount-guard.ts'
import { checkMountpoint, devicesAt, mountedPath, mountsAt } from './mountpoint.ts'
import { Session, type SessionEvents } from './session.ts'
import type { FuseTally } from './tally.ts'

export interface DirectOptions extends MountOptions {
  /** How long to spin for the next request before sleeping; 0 never. */
  readonly spinMicroseconds?: number
  readonly log?: Log
  /** Counts requests, where somebody asked for it. */
  readonly tally?: FuseTally | undefined
  /** How the device is obtained; by default as the user's rights allow. */
  readonly attach?: (options: MountOptions) => Promise<Device>
}

export interface DirectMounted extends Mounted {
  /** Requests by opcode, and what the channel did. */
  statistics(): ChannelStatistics & { readonly counts: Uint32Array }
  /** What the kernel kept of this inode (pages, attributes) is no longer true. */
  invalidateInode(ino: Ino): Promise<void>
  /** What the kernel kept of this name, or of its absence, is no longer true. */
  invalidateEntry(parent: Ino, name: Uint8Array): Promise<void>
}

/** On a virtual machine a wake-up costs about 40 µs: half of it is worth spinning for. */
const defaultSpinMicroseconds = 20

export const mountDirect: Mount = mountChannel

/** `mountDirect` with its own options and figures. */
export async function mountChannel(
  fileSystem: FileSystem,
  options: DirectOptions,
): Promise<DirectMounted> {
  const mountpoint = await checkMountpoint(options.mountpoint)
  const device = await (options.attach ?? attachDevice)({ ...options, mountpoint })
  const mounted = new ChannelMount(fileSystem, device, options)
  try {
    await mounted.ready
    await raiseKernelReadAhead(mountpoint, options.log ?? silentLog)
    const deviceNumber = (await devicesAt(mountpoint)).at(-1)
    if (deviceNumber !== undefined) {
      await mounted.guard(deviceNumber, options.log ?? silentLog)
      await mounted.beginTimes(mountpoint, deviceNumber)
    }
  } catch (error) {
    await mounted.unmount({ force: true })
    throw error
  }
  return mounted
}

/** Removes a mount whose process is gone. Harmless when nothing is mounted there. */
export async function unmountStale(mountpoint: string): Promise<void> {
  const path = await mountedPath(mountpoint)
  if ((await mountsAt(path)) > 0) await detachPath(path, { force: true })
}

class ChannelMount implements DirectMounted {
  readonly ended: Promise<void>
  readonly ready: Promise<void>
  readonly #device: Device
  readonly #channel: DeviceChannel
  readonly #session: Session
  readonly #resolveEnded: () => void
  readonly #onExit = (): void => {
    this.#end()
    this.#device.detachNow()
  }
  #guard: MountGuard | null = null
  #over = false

  constructor(fileSystem: FileSystem, device: Device, options: DirectOptions) {
    const ended = Promise.withResolvers<void>()
    const ready = Promise.withResolvers<void>()
    const log = options.log ?? silentLog
    this.ended = ended.promise
    this.ready = ready.promise
    this.#resolveEnded = ended.resolve
    this.#device = device
    this.#channel = new DeviceChannel(
      device.fd,
      options.spinMicroseconds ?? defaultSpinMicroseconds,
      {
        onRequests: (batch, count) => this.#session.serve(batch, count),
        onEnd: errno => {
          ready.reject(new Error(`the device ended before the mount was ready: errno ${errno}`))
          this.#end()
        },
      },
    )
    const events: SessionEvents = {
      onReady: error => (error === null ? ready.resolve() : ready.reject(error)),
      onUnexpected: (error, during) => log.warn({ error, during }, 'unexpected on the mount'),
    }
    this.#session = new Session(
      fileSystem,
      this.#channel,
      events,
      checksPermissions(options),
      options.tally,
    )
    process.on('exit', this.#onExit)
  }

  async unmount(options?: { readonly force: boolean }): Promise<void> {
    if (this.#over) return
    const force = options?.force === true
    await this.#device.detach({ force })
    if (force) this.#end()
    await this.ended
  }

  /** Whatever kills this process, programs that wait for the mount hear that it is gone. */
  async guard(deviceNumber: string, log: Log): Promise<void> {
    try {
      const guard = await guardMount(deviceNumber)
      if (this.#over) guard.end()
      else this.#guard = guard
    } catch (error) {
      log.warn({ error }, 'if this process is killed programs may hang until somebody unmounts it')
    }
  }

  /** What is written stays in the kernel's pages, where we may see to it. */
  async beginTimes(mountpoint: string, deviceNumber: string): Promise<void> {
    const times = isRoot() ? await beginTimes(mountpoint, deviceNumber) : null
    if (this.#over) times?.close()
    else this.#session.writtenPages.times = times
  }

  statistics(): ChannelStatistics & { readonly counts: Uint32Array } {
    return { ...this.#channel.statistics(), counts: this.#session.counts.slice() }
  }

  invalidateInode(ino: Ino): Promise<void> {
    return this.#session.invalidateInode(ino)
  }

  invalidateEntry(parent: Ino, name: Uint8Array): Promise<void> {
    return this.#session.invalidateEntry(parent, name)
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    process.off('exit', this.#onExit)
    this.#channel.close()
    this.#guard?.end()
    this.#session.end()
    this.#resolveEnded()
  }
}
