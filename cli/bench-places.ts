/** What `rookery bench` runs on: directories, a cluster mounted for it several times, or the client library. */
import { mkdir, mkdtemp, realpath, rm, rmdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fileSystemOf } from '../bench/io500/report.ts'
import { DirectoryScene, phaseDirectories, type Scene } from '../bench/io500/scene.ts'
import { accessFor } from './access.ts'
import type { BenchOptions } from './bench.ts'
import type { LibraryRank } from './bench-library-worker.ts'
import { Failure } from './failure.ts'
import { withVolume } from './file-command.ts'
import { locateHome } from './home.ts'
import { liveState } from './home-lock.ts'

import { remove } from './rm.ts'
import { SupervisedChild } from './supervised-child.ts'

export interface Place {
  readonly name: string
  readonly fileSystem: string
  readonly scene: Scene
  /** One for each mount; empty where there is none. */
  readonly directories: readonly string[]
}

/** The directory that was named, or the mount of the home's running cluster. */
export async function directoryPlace(path: string): Promise<Place> {
  const directory = await existing(path)
  const fileSystem = await fileSystemOf(directory)
  const directories = [directory]
  return { name: directory, fileSystem, scene: new DirectoryScene(directories), directories }
}

export async function mountOfHome(options: BenchOptions): Promise<string> {
  const home = await locateHome(options.home)
  const state = await liveState(home)
  if (state !== null) return state.mountpoint
  throw new Failure(
    `no cluster is running in ${home.directory}: start it with 'rookery up', or name a directory`,
  )
}

/** Mounts the cluster `count` times for as long as `work` takes. */
export async function withMounts<T>(
  count: number,
  options: BenchOptions,
  work: (place: Place) => Promise<T>,
): Promise<T> {
  const { managers } = await accessFor(options, 'mount')
  const base = await mkdtemp(join(tmpdir(), 'rookery-bench-'))
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  const directories = numbers.map(number => join(base, `mount-${number}`))
  const children = numbers.map(number =>
    mountChild(base, number, { ...options, manager: managers }),
  )
  try {
    for (const directory of directories) await mkdir(directory)
    await Promise.all(children.map(child => child.start()))
    const name = `${count} ${count === 1 ? 'mount' : 'mounts'} of volume ${options.volume}`
    const fileSystem = await fileSystemOf(directories[0] ?? base)
    return await work({ name, fileSystem, scene: new DirectoryScene(directories), directories })
  } finally {
    await Promise.all(children.map(child => child.stop()))
    // Not recursively: a mount that would not go must not be emptied.
    for (const directory of directories) await rmdir(directory)
    await rm(base, { recursive: true })
  }
}

function mountChild(base: string, number: number, options: BenchOptions): SupervisedChild {
  const [, script = ''] = process.argv
  const managers = (options.manager ?? []).flatMap(address => ['--manager', address])
  const where = [...managers, '--home', options.home, '--volume', options.volume]
  return new SupervisedChild(
    {
      name: `mount ${number}`,
      command: process.execPath,
      args: [
        ...process.execArgv,
        script,
        'mount',
        join(base, `mount-${number}`),
        ...where,
        ...['--log-level', 'warn'],
      ],
      logFile: join(base, `mount-${number}.log`),
      readyDeadlineMs: 60_000,
      stopDeadlineMs: 20_000,
      mayFinish: false,
    },
    line => process.stderr.write(`rookery: ${line}\n`),
  )
}

const libraryWorker = fileURLToPath(
  new URL(`bench-library-worker${import.meta.url.slice(-3)}`, import.meta.url),
)

export async function libraryPlace(options: BenchOptions): Promise<Place> {
  const { managers } = await accessFor(options, 'mount')
  const name = `library, volume ${options.volume}`
  const scene = new LibraryScene({ ...options, manager: managers })
  return { name, fileSystem: 'no mount', scene, directories: [] }
}

/** A new directory at the volume's root; each rank is a client of its own. */
class LibraryScene implements Scene {
  readonly #options: BenchOptions
  readonly #root = `/io500-${process.pid}-${Date.now()}`

  constructor(options: BenchOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    await withVolume(this.#place, this.#options, async tree => {
      await tree.mkdir(this.#root, 0o755)
      for (const name of phaseDirectories) await tree.mkdir(`${this.#root}/${name}`, 0o755)
    })
  }

  program(rank: number, ranks: number) {
    const { home, manager = [], volume } = this.#options
    const told: LibraryRank = { home, manager, volume, root: this.#root, rank, ranks }
    return { script: libraryWorker, args: [JSON.stringify(told)] }
  }

  async close(): Promise<void> {
    await withVolume(this.#place, this.#options, tree => remove(tree, this.#root, true))
  }

  get #place() {
    return { volume: this.#options.volume, path: this.#root }
  }
}

async function existing(path: string): Promise<string> {
  const status = await stat(path).catch(() => null)
  if (status === null) throw new Failure(`${path} does not exist`)
  if (!status.isDirectory()) throw new Failure(`${path} is not a directory`)
  return await realpath(path)
}
