/**
 * Typed face of kernel-times.c: has the kernel ask us to set a file's mtime. When it is told of one otherwise it drops the
 * file's pages (FUSE_AUTO_INVAL_DATA).
 */
import { Socket } from 'node:net'
import { loadAddon } from '../../network/addon.ts'
import { errnoByCode } from '../../network/errors.ts'

interface KernelTimesAddon {
  /** A socket to talk over, and its other end, which is the thread's; or a negated Linux error number. */
  begin(target: string, major: number, minor: number): readonly [number, number] | number
  /** Closes the other end here: by now the thread has it. */
  greeted(end: number): void
}

const greetingBytes = 8
const answerBytes = 4
const requestBytes = 24
const nsPerSecond = 1_000_000_000n

/** What a session needs of it. */
export interface Times {
  /** The thread that asks the kernel. */
  readonly thread: number
  /** Resolves to 0 or a Linux error number when the kernel has asked for it, and was answered. */
  set(node: number, mtimeNs: bigint): Promise<number>
  close(): void
}

/** For a mount on this path. @returns null where the kernel does not let us: it takes root. */
export async function beginTimes(mountpoint: string, device: string): Promise<Times | null> {
  const [major = 0, minor = 0] = device.split(':').map(Number)
  const addon = loadAddon('client/fuse/kernel-times') as KernelTimesAddon
  const pair = addon.begin(mountpoint, major, minor)
  if (typeof pair === 'number') return null
  const times = new KernelTimes(pair[0])
  const { failure } = await times.greeted
  addon.greeted(pair[1])
  if (failure === 0) return times
  times.close()
  return null
}

class KernelTimes implements Times {
  readonly greeted: Promise<{ readonly failure: number }>
  thread = 0
  readonly #socket: Socket
  readonly #waiting: ((errno: number) => void)[] = []
  readonly #greeting = Promise.withResolvers<{ readonly failure: number }>()
  #isGreeted = false
  #left = Buffer.alloc(0)

  constructor(fd: number) {
    this.greeted = this.#greeting.promise
    this.#socket = new Socket({ fd, readable: true, writable: true })
    this.#socket.unref()
    this.#socket.on('data', data => this.#received(data))
    this.#socket.on('error', () => this.close())
    this.#socket.on('close', () => this.#ended())
  }

  set(node: number, mtimeNs: bigint): Promise<number> {
    if (this.#socket.destroyed) return Promise.resolve(errnoByCode.ENODEV)
    const request = Buffer.alloc(requestBytes)
    // Before 1970 the seconds go down and the rest still goes up.
    const nanoseconds = ((mtimeNs % nsPerSecond) + nsPerSecond) % nsPerSecond
    request.writeBigUInt64LE(BigInt(node), 0)
    request.writeBigInt64LE((mtimeNs - nanoseconds) / nsPerSecond, 8)
    request.writeBigInt64LE(nanoseconds, 16)
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #received(data: Buffer): void {
    this.#left = Buffer.concat([this.#left, data])
    if (!this.#isGreeted && this.#left.length >= greetingBytes) {
      this.#isGreeted = true
      this.thread = this.#left.readInt32LE(4)
      this.#greeting.resolve({ failure: this.#left.readInt32LE(0) })
      this.#left = this.#left.subarray(greetingBytes)
    }
    for (; this.#isGreeted && this.#left.length >= answerBytes; ) {
      this.#waiting.shift()?.(this.#left.readInt32LE(0))
      this.#left = this.#left.subarray(answerBytes)
    }
  }

  #ended(): void {
    this.#greeting.resolve({ failure: errnoByCode.ENODEV })
    for (const resolve of this.#waiting.splice(0)) resolve(errnoByCode.ENODEV)
  }
}
