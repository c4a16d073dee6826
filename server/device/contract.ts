/** The device contract: a flat, addressable store of bytes. The suite in compliance.ts tells the rest. */
import type { DataFile } from '../../network/wire/operations.ts'

export interface DeviceSpace {
  /** Highest address that may be written, plus one; may change as a shared disk fills. */
  readonly capacityBytes: number
  /** What the disk holds for this device: in use or not, and less than was promised where it holds holes. */
  readonly heldBytes: number
  /**
   * How much more the disk takes for new data where it holds nothing yet: Infinity where it holds everything. Below
   * 0 when others have taken of what is left to them.
   */
  readonly roomBytes: number
  /** What it takes beyond that, for changes that give back as much. */
  readonly reserveBytes: number
  /** So little room that what is free had better be given back. */
  readonly isShort: boolean
}

export interface Device {
  /** Path or name, for messages. */
  readonly name: string
  /** Where others on this machine find its bytes, at the same positions; undefined where they cannot. */
  readonly file?: DataFile
  space(): Promise<DeviceSpace>
  /**
   * Fills `target` from `position` on. What was never written reads as zeros.
   * @param isLast what is there is about to be replaced: it need not stay in memory.
   * @throws ClusterError DISK when the disk cannot read it.
   */
  read(position: number, target: Uint8Array, isLast?: boolean): Promise<void>
  /**
   * Writes the pieces one behind the other from `position` on. Resolves when a read would see them;
   * only `sync` makes them outlast the machine.
   * @param staysInMemory it is worth to have it there.
   * @throws PosixError ENOSPC, ClusterError DISK.
   */
  write(position: number, pieces: readonly Uint8Array[], staysInMemory?: boolean): Promise<void>
  /**
   * Makes the disk hold the range, so that a later write finds its space; where it cannot, nothing happens.
   * @throws PosixError ENOSPC, ClusterError DISK.
   */
  hold(position: number, length: number): Promise<void>
  /**
   * The disk need not hold the range any more, which nobody needs: it may read as zeros from now on.
   * @returns false where the disk cannot let go of it. @throws ClusterError DISK.
   */
  giveBack(position: number, length: number): Promise<boolean>
  /** Everything written before the call is on the disk (fdatasync(2)). @throws ClusterError DISK. */
  sync(): Promise<void>
  /**
   * What is read from now on is what the disk has, also after a sync that failed: the kernel goes on showing what it could not
   * write. Nobody may write meanwhile.
   */
  uncache(): Promise<void>
  close(): Promise<void>
}
