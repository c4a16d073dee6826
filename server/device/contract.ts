/** The device contract: a flat, addressable store of bytes. The suite in compliance.ts tells the rest. */

export interface DeviceSpace {
  /** Highest address that may be written, plus one; may change as a shared disk fills. */
  readonly capacityBytes: number
}

export interface Device {
  /** Path or name, for messages. */
  readonly name: string
  space(): Promise<DeviceSpace>
  /**
   * Fills `target` from `position` on. What was never written reads as zeros.
   * @throws ClusterError DISK when the disk cannot read it.
   */
  read(position: number, target: Uint8Array): Promise<void>
  /**
   * Writes the pieces one behind the other from `position` on. Resolves when a read would see them;
   * only `sync` makes them outlast the machine.
   * @throws PosixError ENOSPC, ClusterError DISK.
   */
  write(position: number, pieces: readonly Uint8Array[]): Promise<void>
  /** Everything written before the call is on the disk (fdatasync(2)). @throws ClusterError DISK. */
  sync(): Promise<void>
  close(): Promise<void>
}
