/** How a volume becomes a directory of this machine: two backends (direct, fuse-native), one contract. */
import type { FileSystem } from '../fs/contract.ts'

export interface MountOptions {
  /** Existing, empty directory. */
  readonly mountpoint: string
  /** Shown as the source in /proc/mounts: `rookery:VOLUME`. */
  readonly source: string
  /** Let users other than the one who mounted in (allow_other); default when root mounts. */
  readonly allowOther: boolean
  readonly readOnly: boolean
  /**
   * Obey setuid, setgid and file capabilities when programs are executed. Only for root, and only where
   * everybody who reaches the servers is trusted: nobody else checks who makes such files.
   */
  readonly suid?: boolean
  /** Let device nodes be opened. Only for root, and only where everybody is trusted, as with `suid`. */
  readonly dev?: boolean
  /** Shown among the options of the mount: the file system moves access times, or does not. */
  readonly noAtime?: boolean
}

export interface Mounted {
  /** Resolves when the mount is gone, however that came about (umount(8) by someone else too). */
  readonly ended: Promise<void>
  /** Unmounts and waits for it. @throws PosixError EBUSY while programs use it, unless by `force`. */
  unmount(options?: { readonly force: boolean }): Promise<void>
}

/** @throws PosixError with a message that says what to do about it. */
export type Mount = (fileSystem: FileSystem, options: MountOptions) => Promise<Mounted>
