/**
 * The state of the model: inodes and entries, nothing else.
 *
 * 1. Nodes are never changed, only replaced: a copy of a world shares them.
 * 2. A directory is there as long as it has a name; a file also while somebody has it open, and perhaps longer.
 */
import { fileType } from '../../network/wire/attributes.ts'
import type { ModelIno, SeenAttributes } from './calls.ts'

export interface ModelNode {
  /** With the type. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly nlink: number
  /** Who has it open, once for each open. */
  readonly opens: readonly string[]
  /** Of a directory. */
  readonly parent: ModelIno
  /** Content of a file, target of a symbolic link; Latin-1. */
  readonly data: string
  readonly entries: ReadonlyMap<string, ModelIno>
  readonly xattrs: ReadonlyMap<string, string>
}

const nothing: ReadonlyMap<string, never> = new Map<string, never>()

export function newNode(mode: number, owner: { uid: number; gid: number }): ModelNode {
  return {
    mode,
    ...owner,
    nlink: typeOf(mode) === fileType.directory ? 2 : 1,
    opens: [],
    parent: 0,
    data: '',
    entries: nothing,
    xattrs: nothing,
  }
}

export function typeOf(mode: number): number {
  return mode & fileType.mask
}

export class World {
  readonly root: ModelIno
  readonly #nodes: Map<ModelIno, ModelNode>

  constructor(root: ModelIno, nodes: ReadonlyMap<ModelIno, ModelNode>) {
    this.root = root
    this.#nodes = new Map(nodes)
  }

  static empty(root: ModelIno, mode = 0o755): World {
    const node = newNode(fileType.directory | mode, { uid: 0, gid: 0 })
    return new World(root, new Map([[root, { ...node, parent: root }]]))
  }

  copy(): World {
    return new World(this.root, this.#nodes)
  }

  get(ino: ModelIno): ModelNode | undefined {
    return this.#nodes.get(ino)
  }

  put(ino: ModelIno, node: ModelNode): void {
    this.#nodes.set(ino, node)
  }

  change(ino: ModelIno, changes: Partial<ModelNode>): void {
    const node = this.#nodes.get(ino)
    if (node === undefined) throw new Error(`the model has no inode ${ino}`)
    this.#nodes.set(ino, { ...node, ...changes })
  }

  remove(ino: ModelIno): void {
    this.#nodes.delete(ino)
  }

  isDirectory(ino: ModelIno): boolean {
    const node = this.#nodes.get(ino)
    return node !== undefined && typeOf(node.mode) === fileType.directory
  }

  attributesOf(ino: ModelIno): SeenAttributes {
    const node = this.#nodes.get(ino)
    if (node === undefined) throw new Error(`the model has no inode ${ino}`)
    const { mode, nlink, uid, gid, data } = node
    return { ino, mode, nlink, uid, gid, size: this.isDirectory(ino) ? 0 : data.length }
  }

  /** Whether `ino` is `below` or lies above it. */
  holds(ino: ModelIno, below: ModelIno): boolean {
    for (let at = below; ; ) {
      if (at === ino) return true
      if (at === this.root) return false
      at = this.#nodes.get(at)?.parent ?? this.root
    }
  }

  /** Somebody has seen which number an inode has that was made unseen. */
  rename(from: ModelIno, to: ModelIno): void {
    const moved = this.#nodes.get(from)
    this.#nodes.delete(from)
    if (moved !== undefined) this.#nodes.set(to, moved)
    for (const [ino, node] of this.#nodes) {
      const parent = node.parent === from ? to : node.parent
      const entries = [...node.entries].map(([name, child]) => [name, child === from ? to : child])
      const changed = { ...node, parent, entries: new Map(entries as [string, ModelIno][]) }
      this.#nodes.set(ino, changed)
    }
  }

  /** One path of each inode, from the root; of a file any of its names. */
  paths(): Map<ModelIno, string> {
    const paths = new Map<ModelIno, string>([[this.root, '']])
    for (const [ino, path] of paths) {
      for (const [name, child] of this.#nodes.get(ino)?.entries ?? []) {
        paths.set(child, `${path}/${name}`)
      }
    }
    return paths
  }

  /** Equal for equal worlds. */
  key(): string {
    const sorted = [...this.#nodes].sort(([a], [b]) => a - b)
    const parts = sorted.map(([ino, node]) => {
      const { mode, uid, gid, nlink, data, parent } = node
      const entries = [...node.entries].sort().join(',')
      const xattrs = [...node.xattrs].sort().join(',')
      const opens = [...node.opens].sort().join(',')
      return [ino, mode, uid, gid, nlink, parent, data, entries, xattrs, opens].join(' ')
    })
    return parts.join('\n')
  }

  /**
   * Every path with what can be seen there, inodes numbered in the order of their first path: equal for
   * worlds that no program can tell apart.
   */
  tree(): string[] {
    const lines: string[] = []
    const seen = new Map<ModelIno, number>()
    const walk = (ino: ModelIno, path: string) => {
      const number = seen.get(ino) ?? seen.size
      seen.set(ino, number)
      const { mode, nlink, uid, gid } = this.attributesOf(ino)
      const { data, xattrs, entries } = this.#nodes.get(ino)!
      const owner = `${mode.toString(8)} ${nlink} ${uid}:${gid}`
      lines.push(`${path} #${number} ${owner} '${data}' ${[...xattrs].sort()}`)
      for (const [name, child] of [...entries].sort()) walk(child, `${path}/${name}`)
    }
    walk(this.root, '')
    return lines
  }
}
