/** The host's own file system below one directory, called as the model is: by inode numbers, one call at a time. */
import { constants, type Stats } from 'node:fs'
import * as fs from 'node:fs/promises'
import { isDirectory } from '../../network/wire/attributes.ts'
import type { Answer, Call, ModelIno, SeenAttributes, WriteCall } from './calls.ts'
import type { World } from './world.ts'

type OfInode<N extends Call['name']> = Extract<Call, { name: N }>

/** In the model it is always root who calls. */
const ownUid = process.getuid?.() ?? 0
const ownGid = process.getgid?.() ?? 0

export class Host {
  readonly #top: string
  readonly #saw: (ino: ModelIno, mode: number) => void
  readonly #open = new Map<ModelIno, fs.FileHandle[]>()
  #paths: ReadonlyMap<ModelIno, string> = new Map()

  constructor(top: string, saw: (ino: ModelIno, mode: number) => void) {
    this.#top = top
    this.#saw = saw
  }

  async close(): Promise<void> {
    for (const handle of [...this.#open.values()].flat()) await handle.close()
  }

  /**
   * @param world as it is now: it knows which path an inode has.
   * @returns null for what cannot be asked of it: of an inode without a path, or with flags.
   */
  async perform(call: Call, world: World): Promise<Answer | null> {
    this.#paths = world.paths()
    const { ino, parent, newParent } = { ino: null, parent: null, newParent: null, ...call }
    for (const directory of [parent, newParent]) {
      if (directory !== null && !this.#paths.has(directory)) return null
    }
    if (ino !== null && !this.#paths.has(ino)) {
      if (!this.#open.get(ino)?.length || !onHandle.includes(call.name)) return null
    }
    if (call.name === 'rename' && call.flags !== 0) return null
    try {
      return await this.#perform(call)
    } catch (error) {
      if (error instanceof Error && 'code' in error) return { error: String(error.code) }
      throw error
    }
  }

  async #perform(call: Call): Promise<Answer | null> {
    const at = 'entry' in call ? this.#path(call.parent, call.entry) : ''
    switch (call.name) {
      case 'lookup':
        return { ino: this.#seen(await fs.lstat(at)).ino }
      case 'create':
        return await this.#create(call, at)
      case 'symlink':
        await fs.symlink(call.target, at)
        return this.#made(await fs.lstat(at))
      case 'link':
        await fs.link(this.#pathOf(call.ino), at)
        return {}
      case 'mkdir':
        await fs.mkdir(at)
        await chmodKeepingSetgid(at, call.mode)
        return this.#made(await fs.lstat(at))
      case 'unlink':
        await fs.unlink(at)
        return {}
      case 'rmdir':
        await fs.rmdir(at)
        return {}
      case 'rename':
        await fs.rename(at, this.#path(call.newParent, call.newEntry))
        return {}
      default:
        return await this.#performOnInode(call)
    }
  }

  async #performOnInode(call: Extract<Call, { ino: ModelIno }>): Promise<Answer | null> {
    const { ino } = call
    switch (call.name) {
      case 'getattr':
        return { attributes: this.#seen(await this.#stat(ino)) }
      case 'readdir':
        return await this.#readdir(ino)
      case 'readlink':
        return { data: await fs.readlink(this.#pathOf(ino), 'latin1') }
      case 'open':
        return await this.#openFile(call)
      case 'release':
        await this.#open.get(ino)!.pop()!.close()
        return {}
      case 'read':
        return { data: await this.#read(ino) }
      case 'write':
        await this.#write(call)
        return {}
      case 'setattr':
        return await this.#setattr(call)
      default:
        // Node knows nothing of extended attributes.
        return null
    }
  }

  async #create({ mode, exclusive }: OfInode<'create'>, at: string): Promise<Answer> {
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
    const there = await fs.lstat(at).catch(() => null)
    // What open(2) then finds is not in the reach of the call that creates.
    if (!exclusive && there?.isSymbolicLink()) return { error: 'ESTALE' }
    const flags = O_RDWR | O_CREAT | O_NOFOLLOW | (exclusive ? O_EXCL : 0)
    const handle = await fs.open(at, flags, 0o666)
    if (there === null) await handle.chmod(mode)
    const { ino } = this.#seen(await handle.stat())
    this.#hold(ino, handle)
    return { ino }
  }

  async #openFile({ ino, truncate }: OfInode<'open'>): Promise<Answer> {
    const flags = constants.O_RDWR | (truncate ? constants.O_TRUNC : 0)
    this.#hold(ino, await fs.open(this.#pathOf(ino), flags))
    return {}
  }

  async #readdir(ino: ModelIno): Promise<Answer> {
    const directory = this.#pathOf(ino)
    const names = await fs.readdir(directory)
    const entries = names.map(async name => {
      return `${name}:${this.#seen(await fs.lstat(`${directory}/${name}`)).ino}`
    })
    return { entries: (await Promise.all(entries)).sort() }
  }

  async #read(ino: ModelIno): Promise<string> {
    const { buffer, bytesRead } = await this.#handle(ino).read(Buffer.alloc(10_000), 0, 10_000, 0)
    return buffer.toString('latin1', 0, bytesRead)
  }

  async #write({ ino, data, offset, append }: WriteCall): Promise<void> {
    const handle = this.#handle(ino)
    const at = append ? (await handle.stat()).size : offset
    await handle.write(Buffer.from(data, 'latin1'), 0, data.length, at)
  }

  async #setattr({ ino, mode, uid, gid, size }: OfInode<'setattr'>): Promise<Answer> {
    const path = this.#paths.has(ino) ? this.#pathOf(ino) : null
    const on = path === null ? this.#handle(ino) : null
    if (mode !== undefined) await (on?.chmod(mode) ?? fs.chmod(path!, mode))
    if (uid !== undefined && gid !== undefined) {
      await (on?.chown(uid, gid) ?? fs.chown(path!, uid, gid))
    }
    if (size !== undefined) await (on?.truncate(size) ?? fs.truncate(path!, size))
    return {}
  }

  #stat(ino: ModelIno): Promise<Stats> {
    return this.#paths.has(ino) ? fs.lstat(this.#pathOf(ino)) : this.#handle(ino).stat()
  }

  #hold(ino: ModelIno, handle: fs.FileHandle): void {
    this.#open.set(ino, [...(this.#open.get(ino) ?? []), handle])
  }

  #handle(ino: ModelIno): fs.FileHandle {
    return this.#open.get(ino)!.at(-1)!
  }

  #path(parent: ModelIno, entry: string): string {
    return `${this.#pathOf(parent)}/${entry}`
  }

  #pathOf(ino: ModelIno): string {
    return `${this.#top}${this.#paths.get(ino)}`
  }

  #made(stats: Stats): Answer {
    const attributes = this.#seen(stats)
    return { ino: attributes.ino, attributes }
  }

  #seen({ ino, mode, nlink, uid, gid, size }: Stats): SeenAttributes {
    this.#saw(ino, mode)
    const own = { uid: uid === ownUid ? 0 : uid, gid: gid === ownGid ? 0 : gid }
    return { ino, mode, nlink, ...own, size: isDirectory(mode) ? 0 : size }
  }
}

/** What can be done to an open file that has no name. */
const onHandle: readonly Call['name'][] = ['getattr', 'read', 'write', 'release', 'setattr']

/** Not subject to the process's umask. */
async function chmodKeepingSetgid(path: string, mode: number): Promise<void> {
  const inherited = (await fs.stat(path)).mode & 0o2000
  await fs.chmod(path, mode | inherited)
}
