/**
 * What was just written is read again, mostly on the same machine: the kernel keeps its pages, as with a local disk.
 *
 * 1. At a close the kernel is told the new mtime in a way in which it does not drop the pages (kernel-times.ts), if all
 *    changes since they were read or written were made through this mount (`CacheAuthority.mayKeepPages`).
 * 2. The kernel drops the pages of what is written past them as it begins. What is read into them beside that may be older:
 *    then they are kept until the next open at most.
 * 3. Whatever fails on the way costs pages, never the truth.
 */
import { Counts } from '../../network/counts.ts'
import type { Clock, Timers } from '../../network/env/env.ts'
import { errnoByCode } from '../../network/errors.ts'
import { keptWriteBytes, kernelHangMs, kernelTimesMs, kernelTurnMs } from '../../network/limits.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { FileSystem } from '../fs/contract.ts'
import type { Times } from './kernel-times.ts'

export interface WrittenPagesInit {
  readonly fileSystem: Pick<FileSystem, 'cache' | 'getattr'>
  readonly clock: Clock
  readonly timers: Timers
  readonly nodeOf: (ino: Ino) => number
  readonly dropPages: (ino: Ino) => void
}

/** Writes past the pages of one file that are on their way. */
interface Past {
  count: number
  /** Something was read into its pages meanwhile. */
  isMixed: boolean
}

export class WrittenPages {
  /** Without it the kernel drops what it has when it hears of the new mtime: then nothing is done here. */
  times: Times | null = null
  readonly #init: WrittenPagesInit
  /** Bytes written through pages since the kernel was told, of open files. */
  readonly #written = new Counts<Ino>()
  /** Reads into pages that are on their way. */
  readonly #reading = new Counts<Ino>()
  /** Writes through pages that are on their way: when they began, the oldest first. */
  readonly #writing = new Map<Ino, Set<{ readonly ms: number }>>()
  /** Whose pages are to be dropped when a write through them has ended. */
  readonly #outdated = new Set<Ino>()
  readonly #past = new Map<Ino, Past>()
  /** The kernel has not asked in time, and so would not for others that wait behind it. */
  #isLate = false
  /** The last write to each open file that was answered. */
  readonly #answered = new Map<Ino, { readonly thread: number; readonly ms: number }>()

  constructor(init: WrittenPagesInit) {
    this.#init = init
  }

  /** Reads into the file's pages. */
  async read<T>(ino: Ino, step: () => Promise<T>): Promise<T> {
    this.#reading.add(ino)
    const past = this.#past.get(ino)
    if (past !== undefined) past.isMixed = true
    try {
      return await step()
    } finally {
      this.#reading.subtract(ino)
    }
  }

  /** Writes so many bytes through the file's pages. */
  async writeThrough(ino: Ino, bytes: number, step: () => Promise<void>): Promise<void> {
    const writes = this.#writing.get(ino) ?? new Set()
    const write = { ms: this.#init.clock.monotonicMs() }
    this.#writing.set(ino, writes.add(write))
    try {
      await step()
    } finally {
      writes.delete(write)
      if (writes.size === 0) this.#writing.delete(ino)
      if (this.#outdated.delete(ino)) this.#init.dropPages(ino)
    }
    if (this.times !== null) this.#written.add(ino, bytes)
  }

  /** A write was answered, or refused. */
  answered(thread: number, ino: Ino): void {
    this.#answered.set(ino, { thread, ms: this.#init.clock.monotonicMs() })
  }

  /**
   * What the thread is about to be told of the file the kernel may ignore, as a write of another thread ends meanwhile: one
   * that is on its way, or that was answered but has not had its turn.
   */
  mayOvertake(thread: number, ino: Ino): boolean {
    if (this.#writing.has(ino) || this.#past.has(ino)) return true
    const last = this.#answered.get(ino)
    if (last === undefined || last.thread === thread) return false
    return this.#init.clock.monotonicMs() - last.ms < kernelTurnMs
  }

  /**
   * One of its pages may be locked until a write through them is answered: a notice about them takes a thread until then.
   * If so, they are dropped when one has ended.
   */
  dropsWhenWritten(ino: Ino): boolean {
    if (!this.#writing.has(ino)) return false
    this.#outdated.add(ino)
    return true
  }

  /** Whether such a write hangs: then none is likely to overtake an answer just now. */
  hangs(ino: Ino): boolean {
    const [oldest] = this.#writing.get(ino) ?? []
    return oldest !== undefined && this.#init.clock.monotonicMs() - oldest.ms >= kernelHangMs
  }

  /** Writes past the file's pages. */
  async writePast(ino: Ino, step: () => Promise<void>): Promise<void> {
    const past = this.#pastBegins(ino)
    try {
      await step()
    } finally {
      past.count--
      if (past.count === 0) this.#past.delete(ino)
      if (past.isMixed) this.#init.fileSystem.cache.doubtPages(ino)
    }
  }

  #pastBegins(ino: Ino): Past {
    const past = this.#past.get(ino) ?? { count: 0, isMixed: false }
    past.count++
    if (this.#reading.has(ino)) past.isMixed = true
    this.#past.set(ino, past)
    return past
  }

  /** The kernel is to be told of what was written: `closing`. */
  isUntold(ino: Ino): boolean {
    return !this.#isLate && this.#written.of(ino) >= keptWriteBytes
  }

  /** A descriptor of the file is about to be closed, and all that was written is on the servers. */
  async closing(ino: Ino): Promise<void> {
    if (!this.isUntold(ino)) return
    this.#written.delete(ino)
    await this.#tell(ino)
  }

  /** Nobody has it open any more. */
  closed(ino: Ino): void {
    this.#written.delete(ino)
    this.#answered.delete(ino)
  }

  /** The kernel asks to set a time because it was made to. */
  isOwn(thread: number): boolean {
    return this.times?.thread === thread
  }

  /** What it is told then, while nobody writes to the file here: it has its lock. @returns null: it is not to be told. */
  async answer(ino: Ino): Promise<Attributes | null> {
    const { fileSystem } = this.#init
    const attributes = await fileSystem.getattr(ino)
    return fileSystem.cache.mayKeepPages(attributes) ? attributes : null
  }

  async #tell(ino: Ino): Promise<void> {
    const { fileSystem, timers, nodeOf } = this.#init
    const attributes = await fileSystem.getattr(ino).catch(() => null)
    if (attributes === null || this.times === null) return
    if (!fileSystem.cache.mayKeepPages(attributes)) return
    const over = new AbortController()
    const late = timers.sleep(kernelTimesMs, over.signal).catch(() => undefined)
    const setting = this.times.set(nodeOf(ino), attributes.mtimeNs)
    const errno = await Promise.race([setting, late])
    over.abort()
    if (errno === errnoByCode.EPERM) this.end()
    if (errno !== undefined) return
    this.#isLate = true
    void setting.then(() => {
      this.#isLate = false
    })
  }

  end(): void {
    this.times?.close()
    this.times = null
  }
}
