/** Makes calls on a client's file system, and turns what comes of them into answers. */

import type { FileSystem, OpenFile } from '../../client/fs/contract.ts'
import { PosixError } from '../../network/errors.ts'
import { type Attributes, fileType, isDirectory } from '../../network/wire/attributes.ts'
import { entriesOfRecords } from '../../network/wire/directory-records.ts'
import type { Answer, Call, ModelIno, SeenAttributes } from './calls.ts'

const caller = { uid: 0, gid: 0 }
const enough = 100_000

export class Actor {
  readonly #fileSystem: FileSystem
  /** Told of every inode that is seen. */
  readonly #saw: (ino: ModelIno, mode: number) => void
  readonly #open = new Map<ModelIno, OpenFile[]>()

  constructor(fileSystem: FileSystem, saw: (ino: ModelIno, mode: number) => void = () => {}) {
    this.#fileSystem = fileSystem
    this.#saw = saw
  }

  /** Errors that programs may see are answers, too; EIO is thrown: nobody knows what became of the call. */
  async perform(call: Call): Promise<Answer> {
    try {
      return await this.#perform(call)
    } catch (error) {
      if (error instanceof PosixError && error.code !== 'EIO') return { error: error.code }
      throw error
    }
  }

  async #perform(call: Call): Promise<Answer> {
    const fs = this.#fileSystem
    switch (call.name) {
      case 'lookup':
        return { ino: this.#seen(await fs.lookup(call.parent, bytes(call.entry))).ino }
      case 'create':
        return await this.#create(call)
      case 'symlink': {
        const { parent, entry, target } = call
        return this.#made(await fs.symlink(parent, bytes(entry), bytes(target), caller))
      }
      case 'link':
        await fs.link(call.ino, call.parent, bytes(call.entry))
        return {}
      case 'mkdir':
        return this.#made(await fs.mkdir(call.parent, bytes(call.entry), call.mode, caller))
      case 'unlink':
      case 'rmdir':
        await fs[call.name](call.parent, bytes(call.entry))
        return {}
      case 'rename': {
        const { parent, entry, newParent, newEntry, flags } = call
        await fs.rename(parent, bytes(entry), newParent, bytes(newEntry), flags)
        return {}
      }
      default:
        return await this.#performOnInode(call)
    }
  }

  async #performOnInode(call: Extract<Call, { ino: ModelIno }>): Promise<Answer> {
    const fs = this.#fileSystem
    const { ino } = call
    switch (call.name) {
      case 'getattr':
        return { attributes: this.#seen(await fs.getattr(ino)) }
      case 'readdir':
        return await this.#readdir(ino)
      case 'readlink':
        return { data: text([await fs.readlink(ino)]) }
      case 'setattr': {
        const { name: _name, ino: _ino, ...changes } = call
        await fs.setattr(ino, changes)
        return {}
      }
      case 'setxattr':
        await fs.setxattr(ino, bytes(call.key), bytes(call.value), 0)
        return {}
      case 'getxattr':
        return { data: text([await fs.getxattr(ino, bytes(call.key))]) }
      case 'removexattr':
        await fs.removexattr(ino, bytes(call.key))
        return {}
      default:
        return await this.#performOnFile(call)
    }
  }

  async #performOnFile(call: Extract<Call, { ino: ModelIno }>): Promise<Answer> {
    const { ino } = call
    if (call.name === 'open') {
      this.#hold(await this.#fileSystem.open(ino, { truncate: call.truncate }))
      return {}
    }
    const file = this.#open.get(ino)?.at(-1)
    if (file === undefined) throw new Error(`${ino} is not open`)
    if (call.name === 'release') {
      this.#open.get(ino)!.pop()
      this.#fileSystem.release(file)
    } else if (call.name === 'read') {
      return { data: text(await this.#fileSystem.read(file, 0, enough)) }
    } else if (call.name === 'write') {
      const { offset, data, append } = call
      await this.#fileSystem.write(file, offset, bytes(data), { append })
    }
    return {}
  }

  async #create(call: Extract<Call, { name: 'create' }>): Promise<Answer> {
    const { parent, entry, mode, exclusive } = call
    const options = { exclusive, truncate: false }
    const type = fileType.regular | mode
    const made = await this.#fileSystem.create(parent, bytes(entry), type, caller, options)
    this.#hold(made.file)
    return { ino: this.#seen(made.attributes).ino }
  }

  async #readdir(ino: ModelIno): Promise<Answer> {
    const { records } = await this.#fileSystem.readdir(ino, 0, { limitBytes: enough })
    const entries = entriesOfRecords(records)
    for (const entry of entries) this.#saw(entry.ino, entry.type)
    return { entries: entries.map(entry => `${text([entry.name])}:${entry.ino}`).sort() }
  }

  #hold(file: OpenFile): void {
    this.#open.set(file.ino, [...(this.#open.get(file.ino) ?? []), file])
  }

  #made(attributes: Attributes): Answer {
    const seen = this.#seen(attributes)
    return { ino: seen.ino, attributes: seen }
  }

  #seen({ ino, mode, nlink, uid, gid, size }: Attributes): SeenAttributes {
    this.#saw(ino, mode)
    return { ino, mode, nlink, uid, gid, size: isDirectory(mode) ? 0 : size }
  }
}

function bytes(words: string): Uint8Array {
  return Buffer.from(words, 'latin1')
}

function text(pieces: readonly Uint8Array[]): string {
  return Buffer.concat(pieces).toString('latin1')
}
