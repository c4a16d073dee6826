/** Where the phases take place: what is made there, what is left, and the process of each rank. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A script for child_process.fork that becomes one rank. */
export interface RankProgram {
  readonly script: string
  readonly args: readonly string[]
}

export interface Scene {
  /** Makes the directories of the phases. */
  open(): Promise<void>
  /** After `open`. */
  program(rank: number, ranks: number): RankProgram
  /** Removes what `open` and the ranks have made; also after an `open` that failed. */
  close(): Promise<void>
}

/** Of the phases, below the scene's own directory. */
export const phaseDirectories: readonly string[] = [
  'ior-easy',
  'ior-hard',
  'mdtest-easy',
  'mdtest-hard',
]

const worker = fileURLToPath(new URL(`worker${import.meta.url.slice(-3)}`, import.meta.url))

/** A new directory in one that exists, seen through one or more mounts; ranks take those in turn. */
export class DirectoryScene implements Scene {
  /** One for each mount of the same file system. */
  readonly #directories: readonly string[]
  #name = ''

  constructor(directories: readonly string[]) {
    this.#directories = directories
  }

  async open(): Promise<void> {
    const root = await mkdtemp(join(this.#directories[0] ?? '', 'io500-'))
    this.#name = basename(root)
    for (const name of phaseDirectories) await mkdir(join(root, name))
  }

  program(rank: number, ranks: number): RankProgram {
    const directory = this.#directories[rank % this.#directories.length] ?? ''
    return { script: worker, args: [join(directory, this.#name), `${rank}`, `${ranks}`] }
  }

  async close(): Promise<void> {
    if (this.#name === '') return
    await rm(join(this.#directories[0] ?? '', this.#name), { recursive: true, force: true })
  }
}
