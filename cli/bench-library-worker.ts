/** One rank that is a client of the cluster by itself: a program for child_process.fork. */
import { serveRank } from '../bench/io500/rank.ts'
import {
  type Access,
  flushMachine,
  openFlags,
  type Target,
  type TargetFile,
  type TargetStat,
} from '../bench/io500/target.ts'
import { withVolume } from './file-command.ts'
import type { Tree, TreeHandle } from './tree.ts'

export interface LibraryRank {
  readonly home: string
  readonly manager: readonly string[]
  readonly volume: string
  readonly root: string
  readonly rank: number
  readonly ranks: number
}

class TreeTarget implements Target {
  readonly #tree: Tree
  readonly #root: string

  constructor(tree: Tree, root: string) {
    this.#tree = tree
    this.#root = root
  }

  async makeDirectory(path: string): Promise<void> {
    // Each rank makes the shared one; the first has to.
    await this.#tree.mkdir(this.#root + path, 0o755).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    })
  }

  async open(path: string, access: Access): Promise<TargetFile> {
    return new TreeFile(await this.#tree.open(this.#root + path, openFlags[access]))
  }

  async stat(path: string): Promise<TargetStat> {
    const { size, mtime } = await this.#tree.lstat(this.#root + path)
    return { size, mtimeMs: mtime.getTime() }
  }

  remove(path: string): Promise<void> {
    return this.#tree.unlink(this.#root + path)
  }

  async *list(path: string): AsyncIterable<string> {
    for (const name of await this.#tree.readdir(this.#root + path, 'buffer')) yield `${name}`
  }

  flush(): void {
    flushMachine()
  }
}

class TreeFile implements TargetFile {
  readonly #handle: TreeHandle

  constructor(handle: TreeHandle) {
    this.#handle = handle
  }

  async read(into: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < into.length; ) {
      const { bytesRead } = await this.#handle.read(into, done, into.length - done, offset + done)
      if (bytesRead === 0) throw new Error(`the file ends at ${offset + done}`)
      done += bytesRead
    }
  }

  async write(data: Uint8Array, offset: number): Promise<void> {
    await this.#handle.write(data, 0, data.length, offset)
  }

  sync(): Promise<void> {
    return this.#handle.sync()
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

const told: LibraryRank = JSON.parse(process.argv[2] ?? '{}')
await withVolume({ volume: told.volume, path: told.root }, told, async tree => {
  const { rank, ranks } = told
  serveRank({ rank, ranks, target: new TreeTarget(tree, told.root) })
  // Until the conductor lets go.
  await new Promise<never>(() => {})
})
