/**
 * The protocol between the kernel and a FileSystem: takes requests from a channel, calls the file system,
 * sends the answers. It needs no kernel: tests feed it bytes.
 *
 * 1. Every request is answered exactly once (forgets: dropped once), whatever the file system does.
 * 2. Node ids are inode numbers, 1 is the top of the volume; some directories have aliases (directory-nodes.ts). Inode
 *    numbers are never used again, so that the kernel's counts of lookups need not be kept.
 * 3. What the kernel may keep, it is told only on the word of FileSystem.cache.
 */
import type { Env, Timers } from '../../network/env/env.ts'
import { realEnv } from '../../network/env/real.ts'
import { sleepOn } from '../../network/env/sleep.ts'
import { errnoByCode, PosixError, posixCodeOf } from '../../network/errors.ts'
import {
  kernelKeepsMs,
  maxChangedDirectories,
  maxFuseLent,
  maxFuseSlots,
  maxNoticeTries,
} from '../../network/limits.ts'
import { RecentMap } from '../../network/recent-map.ts'
import { type Attributes, isDirectory } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Recalled } from '../cluster/read-leases.ts'
import type { FileSystem, OpenFile } from '../fs/contract.ts'
import type { Channel } from './channel.ts'
import { Handles } from './handles.ts'
import { KernelCopies } from './kernel-copies.ts'
import { LastChecks } from './last-checks.ts'
import { handlers } from './operations/table.ts'
import { PageDrops } from './page-drops.ts'
import { attributesNotice, entryNotice, inodeNotice } from './protocol/notice.ts'
import {
  inHeaderBytes,
  opcode,
  opcodeLimit,
  openFlag,
  openReplyFlag,
  outHeaderBytes,
  rootNode,
} from './protocol/numbers.ts'
import { Reply } from './protocol/reply.ts'
import { Request } from './protocol/request.ts'
import type { FuseTally } from './tally.ts'
import { type Wait, Waits } from './waits.ts'
import { WrittenPages } from './written-pages.ts'

export type Handler = (session: Session, request: Request) => Promise<void> | undefined

export interface SessionEvents {
  /** INIT was answered: the mount works. Or it failed, and nothing ever will. */
  onReady(error: Error | null): void
  /** Something happened that should not: the program got EIO, and a person should know. */
  onUnexpected(error: unknown, during: string): void
}

const noPieces: readonly Uint8Array[] = []
const setuid = 0o4000
const setgid = 0o2000

export class Session {
  readonly fileSystem: FileSystem
  readonly reply: Reply
  readonly handles = new Handles()
  readonly lastChecks = new LastChecks()
  readonly waits = new Waits()
  readonly writtenPages: WrittenPages
  readonly pageDrops: PageDrops
  readonly events: SessionEvents
  /** Requests by opcode since the start. */
  readonly counts = new Uint32Array(opcodeLimit)
  /** The kernel checks permissions on this mount (default_permissions). */
  readonly permissionsChecked: boolean
  /** What was agreed upon at INIT: bits of `initFlag`. */
  agreed = 0
  /** Likewise, bits of `initFlag2`. */
  agreed2 = 0
  readonly #channel: Channel
  readonly #tally: FuseTally | null
  readonly #requests: Request[] = []
  readonly #copies: KernelCopies
  /** By directory: the thread that changed a name in it last. */
  readonly #changers = new RecentMap<Ino, number>(maxChangedDirectories)
  readonly #timers: Timers
  readonly #stopRecalls: () => void
  readonly #stopUnleased: () => void
  #lent = 0
  #ended = false

  constructor(
    fileSystem: FileSystem,
    channel: Channel,
    events: SessionEvents,
    permissionsChecked = true,
    tally: FuseTally | null = null,
    env: Pick<Env, 'clock' | 'timers'> = realEnv(),
  ) {
    this.#copies = new KernelCopies(env.clock)
    this.#timers = env.timers
    this.#tally = tally
    this.permissionsChecked = permissionsChecked
    this.fileSystem = fileSystem
    this.events = events
    this.#channel = channel
    this.reply = new Reply(channel.replyBuffer)
    this.writtenPages = new WrittenPages({
      fileSystem,
      ...{ clock: env.clock, timers: env.timers },
      nodeOf: ino => this.nodeOf(ino),
      dropPages: ino => this.pageDrops.begin(ino),
    })
    this.pageDrops = new PageDrops({
      pages: this.writtenPages,
      timers: env.timers,
      drop: ino => this.invalidateInode(ino),
      onUnexpected: error => events.onUnexpected(error, 'drop pages'),
    })
    const { pool, slotBytes } = channel
    const view = new DataView(pool.buffer, pool.byteOffset, pool.byteLength)
    const slots = Math.min(maxFuseSlots, Math.floor(pool.length / slotBytes))
    for (let slot = 0; slot < slots; slot += 1) {
      this.#requests.push(new Request(slot, pool, view, slot * slotBytes))
    }
    this.#stopRecalls = fileSystem.cache.onRecall(recalled => this.#recalled(recalled))
    this.#stopUnleased = fileSystem.cache.onUnleased(ino => this.#unleased(ino))
  }

  /** Serves a batch of `count` pairs of slot and length. Never throws. */
  serve(batch: Uint32Array, count: number): void {
    for (let index = 0; index < count; index += 1) {
      this.#serveOne(this.#requests[batch[2 * index]!]!, batch[2 * index + 1]!)
    }
  }

  /** Lets go of everything that was open: the kernel has gone and will not say so. */
  end(): void {
    this.#ended = true
    this.#stopRecalls()
    this.#stopUnleased()
    this.writtenPages.end()
    this.waits.interruptAll()
    for (const file of this.handles.takeFiles()) this.fileSystem.release(file)
  }

  /**
   * The number that the kernel knows an opened file by.
   * @param flags of open(2).
   * @throws PosixError ENODEV when the mount ended while it was being opened: nobody would close it.
   */
  opened(file: OpenFile, flags: number, replyFlags: number): number {
    const access = flags & openFlag.accessMode
    const readWrite = access === openFlag.readWrite
    const pastPages = (replyFlags & openReplyFlag.directIo) !== 0
    if (!this.#ended) return this.handles.addFile(file, access !== 0, readWrite, pastPages)
    this.fileSystem.release(file)
    throw new PosixError('ENODEV', 'the mount has ended')
  }

  inoOf(node: number): Ino {
    return node === rootNode ? this.fileSystem.root : node
  }

  nodeOf(ino: Ino): number {
    return ino === this.fileSystem.root ? rootNode : ino
  }

  /** Success with `length` bytes of reply, header included, that stand in the reply buffer. */
  send(request: Request, length: number): void {
    this.reply.header(request, length, 0)
    this.#write(request, length, null)
  }

  /** Success with `length` bytes of reply that stand in the reply buffer, and what is sent from where it lies. */
  sendWith(request: Request, length: number, pieces: readonly Uint8Array[]): void {
    let bytes = length
    for (const piece of pieces) bytes += piece.length
    this.reply.header(request, bytes, 0)
    this.#write(request, length, pieces)
  }

  /** So many bytes of a file were written. */
  wrote(bytes: number): void {
    if (this.#tally !== null) this.#tally.writtenBytes += bytes
  }

  /** Success without a body. */
  done(request: Request): void {
    this.send(request, outHeaderBytes)
  }

  /** Success with data that is sent from where it lies. */
  sendPieces(request: Request, pieces: readonly Uint8Array[], bytes: number): void {
    this.reply.header(request, outHeaderBytes + bytes, 0)
    if (this.#tally !== null && request.opcode === opcode.read) this.#tally.readBytes += bytes
    this.#write(request, outHeaderBytes, pieces.length === 0 ? noPieces : pieces)
  }

  sendEntry(request: Request, parent: Ino, name: Uint8Array, attributes: Attributes): void {
    this.writeEntry(outHeaderBytes, request.thread, parent, name, attributes)
    this.send(request, outHeaderBytes + 128)
  }

  sendAttributes(request: Request, attributes: Attributes): void {
    this.#tell(attributes)
    const attributesMs = this.#attributesMs(request.thread, attributes)
    this.reply.attributesReply(outHeaderBytes, attributes, attributesMs)
    this.send(request, outHeaderBytes + 104)
  }

  /** @param thread who is told. */
  writeEntry(
    at: number,
    thread: number,
    parent: Ino,
    name: Uint8Array,
    attributes: Attributes,
  ): void {
    this.#tell(attributes)
    this.handles.toldDirectories.tell(parent, name, attributes)
    const { ino } = attributes
    const node = this.nodeOf(ino)
    this.reply.entry(at, node, attributes, {
      entryMs: this.fileSystem.cache.entryMs(parent, name, ino),
      attributesMs: this.#attributesMs(thread, attributes),
    })
    const alias = isDirectory(attributes.mode) ? this.handles.nodes.aliasOf(ino) : 0
    if (alias > 0) this.reply.node(at, node, alias)
  }

  /**
   * This mount has changed what the inode says of itself in a way that has the kernel ask again, but not doubt what it
   * is being told meanwhile (fuse_dir_changed, fuse_readdir): to be called before it is answered.
   */
  settle(ino: Ino): Promise<void> | undefined {
    return this.#copies.isOnTheWay(ino) ? this.#dropAttributes(ino) : undefined
  }

  /** As `settle`, of a directory in which the thread has changed a name. */
  namesChanged(directory: Ino, thread: number): Promise<void> | undefined {
    this.#changers.set(directory, thread)
    return this.settle(directory)
  }

  #tell(attributes: Attributes): void {
    this.handles.told.tell(attributes)
    this.handles.last.tell(attributes)
    this.lastChecks.saw(attributes)
  }

  #attributesMs(thread: number, attributes: Attributes): number {
    const { ino, mode } = attributes
    // A write takes these away without the kernel's knowing, and it would execute the program with them.
    const isPrivileged = (mode & (setuid | setgid)) !== 0 && !isDirectory(mode)
    // Nor would it ask before it reads from pages that are to go then.
    const isSuspect = this.handles.told.suspicion(ino) !== null
    const isKept = !isPrivileged && !isSuspect && this.handles.nodes.aliasOf(ino) === 0
    // Who fills a directory by itself need not ask again before each of its names.
    const isChangers = thread !== 0 && this.#changers.get(ino) === thread
    const ms = isKept ? this.fileSystem.cache.attributesMs(attributes, isChangers) : 0
    return this.#copies.tell(thread, ino, ms)
  }

  /**
   * Has the data of a request stay when it was answered, until what it returns is called. null when so many do that others would
   * find no slot.
   */
  lend(request: Request): (() => void) | null {
    if (this.#lent >= maxFuseLent) return null
    this.#lent++
    request.isLent = true
    return () => {
      this.#lent--
      request.isLent = false
      if (request.isAnswered) this.#channel.drop(request.slot)
    }
  }

  /** Forgets and the like: no answer is wanted. */
  drop(request: Request): void {
    this.#channel.drop(request.slot)
  }

  /** The answer, without a body, to a request whose slot was given back. */
  answerLate(wait: Wait, errno: number): void {
    this.waits.end(wait)
    this.reply.header(wait, outHeaderBytes, errno)
    const refused = this.#channel.answerLate(outHeaderBytes)
    this.#checkAnswer(refused, 'a wait')
  }

  fail(request: Request, errno: number): void {
    this.reply.header(request, outHeaderBytes, errno)
    this.#write(request, outHeaderBytes, null, errno)
  }

  /**
   * Tells the kernel that pages and attributes of this inode are no longer true; resolves when it has
   * dropped them. Never to be awaited before answering a read of the same inode: its pages are locked.
   */
  async invalidateInode(ino: Ino): Promise<void> {
    await this.#notify(inodeNotice(this.nodeOf(ino)), 'invalidate inode')
  }

  /** The same for its first page alone. */
  async invalidateStart(ino: Ino): Promise<void> {
    await this.#notify(inodeNotice(this.nodeOf(ino), 1), 'invalidate first page')
  }

  /** The same for a name in a directory, or for its absence. */
  async invalidateEntry(parent: Ino, name: Uint8Array): Promise<void> {
    await this.#notify(entryNotice(this.nodeOf(parent), name), 'invalidate entry')
  }

  async #recalled({ inodes }: Recalled): Promise<void> {
    for (const ino of inodes) this.#copies.outdate(ino)
    try {
      for (const ino of inodes) {
        if (this.#copies.isKept(ino)) await this.#dropAttributes(ino)
        // While a program here writes, the kernel would not take from the attributes that they are old. Of what is mapped it
        // would write first what was changed there: that is left to locks (coherence.ts).
        if (!this.handles.told.isWritable(ino) || this.handles.isMapped(ino)) continue
        // A write that is on its way may have to wait for the same recall at another mount.
        if (!this.writtenPages.dropsWhenWritten(ino)) await this.invalidateInode(ino)
      }
    } catch (error) {
      // The server only lets the term of this client's leases run out.
      this.events.onUnexpected(error, 'recall')
      throw error
    }
  }

  async #unleased(ino: Ino): Promise<void> {
    if (!this.#copies.isKept(ino)) return
    try {
      await this.#dropAttributes(ino)
    } catch (error) {
      this.events.onUnexpected(error, 'drop attributes')
      await sleepOn(this.#timers, kernelKeepsMs)
    }
  }

  /** Resolves when the kernel goes by no attributes that it was told of this inode before. */
  async #dropAttributes(ino: Ino): Promise<void> {
    const message = attributesNotice(this.nodeOf(ino))
    for (let tries = 1; ; tries++) {
      const dropped = this.#copies.dropping(ino)
      const errno = await this.#channel.notify(message, false)
      const isMissed = errno === errnoByCode.ENOENT && this.#copies.isOnTheWay(ino)
      if (!isMissed && errno !== errnoByCode.EAGAIN) {
        this.#checkNotice(errno, 'call attributes in question')
        dropped()
        return
      }
      // Those that are on their way end on other turns.
      await new Promise<void>(resolve => this.#timers.soon(resolve))
      if (tries === maxNoticeTries) {
        throw new PosixError('EIO', `the kernel does not take what it was told of inode ${ino}`)
      }
    }
  }

  async #notify(message: Uint8Array, during: string): Promise<void> {
    this.#checkNotice(await this.#channel.notify(message), during)
  }

  #checkNotice(errno: number, during: string): void {
    /** ENOENT: the kernel knows no such thing, so it keeps nothing. */
    if (errno === 0 || errno === errnoByCode.ENOENT || errno === errnoByCode.ENODEV) return
    throw new PosixError('EIO', `${during}: the kernel refused it, errno ${errno}`)
  }

  #serveOne(request: Request, length: number): void {
    if (!request.begin(length)) {
      this.events.onUnexpected(new Error('request with a bad header'), 'read')
      if (length < inHeaderBytes) this.drop(request)
      else this.fail(request, errnoByCode.EIO)
      return
    }
    this.#tally?.began(request.slot)
    this.handles.nodes.served(request.thread, request.opcode, request.node)
    this.#copies.served(request.thread)
    const handler = handlers[request.opcode]
    if (request.opcode < opcodeLimit) this.counts[request.opcode]! += 1
    if (handler === undefined) {
      this.fail(request, errnoByCode.ENOSYS)
      return
    }
    try {
      handler(this, request)?.then(undefined, error => this.#failed(request, error))
    } catch (error) {
      this.#failed(request, error)
    }
  }

  #failed(request: Request, error: unknown): void {
    const code = posixCodeOf(error)
    if (code === 'EIO') this.events.onUnexpected(error, `operation ${request.opcode}`)
    this.fail(request, errnoByCode[code])
  }

  #write(request: Request, length: number, pieces: readonly Uint8Array[] | null, told = 0): void {
    this.#tally?.ended(request.slot, request.opcode, told)
    request.isAnswered = true
    const errno = request.isLent
      ? this.#channel.answerLate(length)
      : this.#channel.answer(request.slot, length, pieces)
    this.#checkAnswer(errno, `operation ${request.opcode}`)
  }

  #checkAnswer(errno: number, to: string): void {
    /** ENOENT: the program was interrupted and its request forgotten; ENODEV: unmounted. */
    if (errno === 0 || errno === errnoByCode.ENOENT || errno === errnoByCode.ENODEV) return
    const error = new Error(`the kernel refused it: errno ${errno}`)
    this.events.onUnexpected(error, `answer to ${to}`)
  }
}
