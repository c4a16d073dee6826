/**
 * Mounts a FileSystem through the npm package fuse-native: slower, by paths, with gaps that
 * native-operations.ts names; for systems where our own channel cannot be built.
 */
import { realEnv } from '../../network/env/real.ts'
import { type Log, silentLog } from '../../network/log.ts'
import type { FileSystem } from '../fs/contract.ts'
import type { Mount, Mounted, MountOptions } from './contract.ts'
import { detachPath, detachPathNow } from './device.ts'
import { checkMountpoint, mountsAt } from './mountpoint.ts'
import { loadNativeLibrary, type NativeFuse, type NativeLibrary } from './native-library.ts'
import { NativeOperations } from './native-operations.ts'

/** The package does not tell when somebody else unmounts: the mount table is looked at this often. */
const watchIntervalMs = 1000
/** Threads of libfuse use these until they end, which nobody is told: never collected. */
const alive = new Set<NativeFuse>()

export const mountFuseNative: Mount = mountNative

export async function mountNative(
  fileSystem: FileSystem,
  options: MountOptions & { readonly log?: Log },
): Promise<Mounted> {
  const library = loadNativeLibrary()
  const mountpoint = await checkMountpoint(options.mountpoint)
  const mount = new NativeMount(library, fileSystem, { ...options, mountpoint })
  await mount.begin()
  return mount
}

class NativeMount implements Mounted {
  readonly ended: Promise<void>
  readonly #fuse: NativeFuse
  readonly #library: NativeLibrary
  readonly #fileSystem: FileSystem
  readonly #operations: NativeOperations
  readonly #mountpoint: string
  readonly #resolveEnded: () => void
  readonly #onExit = (): void => detachPathNow(this.#mountpoint)
  #over = false

  constructor(
    library: NativeLibrary,
    fileSystem: FileSystem,
    options: MountOptions & { readonly log?: Log },
  ) {
    const ended = Promise.withResolvers<void>()
    const log = options.log ?? silentLog
    this.ended = ended.promise
    this.#resolveEnded = ended.resolve
    this.#library = library
    this.#fileSystem = fileSystem
    this.#mountpoint = options.mountpoint
    this.#operations = new NativeOperations(fileSystem, error =>
      log.warn({ error }, 'unexpected on the mount'),
    )
    this.#fuse = new library(options.mountpoint, this.#operations.table(), {
      timeout: false,
      allowOther: options.allowOther,
      defaultPermissions: true,
      fsname: options.source,
      subtype: 'rookery',
      attrTimeout: '0',
      /** The package has no option for `ro`, but passes this text on as it is. */
      entryTimeout: options.readOnly ? '0,ro' : '0',
    })
  }

  async begin(): Promise<void> {
    alive.add(this.#fuse)
    await settled(done => this.#fuse.mount(done))
    process.on('exit', this.#onExit)
    const { timers } = realEnv()
    const watch = timers.every(watchIntervalMs, () => void this.#look())
    void this.ended.then(() => watch.cancel())
  }

  async unmount(options?: { readonly force: boolean }): Promise<void> {
    if (this.#over) return
    await detachPath(this.#mountpoint, { force: options?.force === true })
    await this.#end()
  }

  async #look(): Promise<void> {
    if ((await mountsAt(this.#mountpoint)) === 0) await this.#end()
  }

  async #end(): Promise<void> {
    if (this.#over) return
    this.#over = true
    process.off('exit', this.#onExit)
    /** It is unmounted already: the package has only to let go of the event loop. */
    this.#library.unmount = (_, done) => done(null)
    await settled(done => this.#fuse.unmount(done))
    for (const file of this.#operations.handles.takeFiles()) this.#fileSystem.release(file)
    this.#resolveEnded()
  }
}

function settled(work: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    work(error => (error ? reject(error) : resolve()))
  })
}
