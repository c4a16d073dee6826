/** From paths to inodes: path_resolution(7) within one volume, whose root is '/'. */
import { PosixError } from '../../network/errors.ts'
import { maxPathBytes, maxSymlinksFollowed } from '../../network/limits.ts'
import { type Attributes, fileType, isDirectory } from '../../network/wire/attributes.ts'
import type { Ino } from '../../network/wire/ids.ts'
import type { Name } from '../../network/wire/operations.ts'
import type { FileSystem } from '../fs/contract.ts'

/** Text is UTF-8; names that are not can be given as bytes. Relative paths begin at the root too. */
export type Path = string | Uint8Array

export interface Resolved {
  /** The directory that holds the entry; of the root, itself. */
  readonly parent: Ino
  /** null where the path has none to give: the root, or a path that ends in `.` or `..`. */
  readonly name: Name | null
  /** null when there is no such entry, though its directory is there. */
  readonly attributes: Attributes | null
  /** Without symbolic links, `.` and `..`. */
  readonly real: Buffer
}

interface Step {
  readonly attributes: Attributes
  readonly name: Buffer
}

const slash = 0x2f

export function textOf(path: Path): string {
  return typeof path === 'string' ? path : Buffer.from(path).toString()
}

/** @throws PosixError ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EINVAL. */
export async function resolve(
  fileSystem: FileSystem,
  path: Path,
  options: { readonly follow: boolean },
): Promise<Resolved> {
  const walk = new Walk(fileSystem, await fileSystem.getattr(fileSystem.root))
  return walk.run(bytesOf(path), options.follow)
}

/** As `resolve`, of what has to be there. */
export async function existing(
  fileSystem: FileSystem,
  path: Path,
  options: { readonly follow: boolean },
): Promise<Attributes> {
  const { attributes } = await resolve(fileSystem, path, options)
  if (attributes === null) throw new PosixError('ENOENT')
  return attributes
}

/** An entry to be made, removed or renamed: it needs a name. @throws PosixError EBUSY without. */
export async function entryOf(
  fileSystem: FileSystem,
  path: Path,
): Promise<Resolved & { readonly name: Name }> {
  const resolved = await resolve(fileSystem, path, { follow: false })
  if (resolved.name === null) throw new PosixError('EBUSY', 'no entry, but a directory itself')
  return { ...resolved, name: resolved.name }
}

/** As `entryOf`, of a directory to be removed. @throws PosixError EINVAL, ENOTEMPTY of dots (rmdir(2)). */
export async function directoryEntryOf(
  fileSystem: FileSystem,
  path: Path,
): Promise<Resolved & { readonly name: Name }> {
  const resolved = await resolve(fileSystem, path, { follow: false })
  if (resolved.name !== null) return { ...resolved, name: resolved.name }
  const last = textOf(path).split('/').filter(Boolean).at(-1)
  if (last === '.') throw new PosixError('EINVAL', 'a path that ends in a dot')
  throw new PosixError(last === '..' ? 'ENOTEMPTY' : 'EBUSY', 'no entry, but a directory itself')
}

class Walk {
  readonly #fileSystem: FileSystem
  /** From the root to where we are. */
  readonly #steps: Step[]
  /** Components still to go, the next one last. */
  readonly #pending: Buffer[] = []
  #links = 0
  #dotted = true
  #slashed = false

  constructor(fileSystem: FileSystem, root: Attributes) {
    this.#fileSystem = fileSystem
    this.#steps = [{ attributes: root, name: Buffer.alloc(0) }]
  }

  async run(path: Buffer, follow: boolean): Promise<Resolved> {
    this.#push(path)
    for (;;) {
      const name = this.#pending.pop()
      if (name === undefined) return this.#here()
      if (this.#isDots(name)) continue
      const { ino } = this.#steps.at(-1)!.attributes
      const last = this.#pending.length === 0
      const attributes = await this.#lookup(ino, name, last)
      if (attributes === null) return { parent: ino, name, attributes, real: this.#real(name) }
      const isLink = (attributes.mode & fileType.mask) === fileType.symlink
      if (isLink && (!last || follow || this.#slashed)) {
        await this.#follow(attributes.ino)
        continue
      }
      if (isDirectory(attributes.mode)) this.#steps.push({ attributes, name })
      else if (!last || this.#slashed) throw new PosixError('ENOTDIR')
      else return { parent: ino, name, attributes, real: this.#real(name) }
    }
  }

  #push(path: Buffer): void {
    if (path.length === 0) throw new PosixError('ENOENT', 'an empty path')
    if (this.#pending.length === 0) this.#slashed ||= path.at(-1) === slash
    const names = path.toString('latin1').split('/')
    for (const name of names.reverse()) {
      if (name !== '') this.#pending.push(Buffer.from(name, 'latin1'))
    }
  }

  #isDots(name: Buffer): boolean {
    const text = name.toString('latin1')
    this.#dotted = text === '.' || text === '..'
    if (text === '..' && this.#steps.length > 1) this.#steps.pop()
    return this.#dotted
  }

  async #lookup(parent: Ino, name: Buffer, last: boolean): Promise<Attributes | null> {
    try {
      return await this.#fileSystem.lookup(parent, name)
    } catch (error) {
      if (last && error instanceof PosixError && error.code === 'ENOENT') return null
      throw error
    }
  }

  async #follow(ino: Ino): Promise<void> {
    if (++this.#links > maxSymlinksFollowed) throw new PosixError('ELOOP')
    const target = Buffer.from(await this.#fileSystem.readlink(ino))
    if (target[0] === slash) this.#steps.length = 1
    this.#dotted = true
    this.#push(target)
  }

  #here(): Resolved {
    const { attributes, name } = this.#steps.at(-1)!
    const parent = (this.#steps.at(-2) ?? this.#steps[0]!).attributes.ino
    return { parent, name: this.#dotted ? null : name, attributes, real: this.#real() }
  }

  #real(last?: Buffer): Buffer {
    const names = this.#steps.slice(1).map(step => step.name.toString('latin1'))
    if (last !== undefined) names.push(last.toString('latin1'))
    return Buffer.from(`/${names.join('/')}`, 'latin1')
  }
}

function bytesOf(path: Path): Buffer {
  const bytes = Buffer.from(path)
  if (bytes.length >= maxPathBytes) throw new PosixError('ENAMETOOLONG')
  if (bytes.includes(0)) throw new PosixError('EINVAL', 'a path with NUL')
  return bytes
}
