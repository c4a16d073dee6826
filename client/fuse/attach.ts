/** Typed face of attach.c. Every answer is a descriptor or 0, or a negated Linux error number. */
import { loadAddon } from '../../network/addon.ts'

export interface Attach {
  /** mount(2) of a new FUSE device: its descriptor. `options` go behind `fd=N,`, `flags` are MS_*. */
  attach(target: string, source: string, options: string, flags: number): number
  /** umount2(2), on another thread: the kernel may ask the file system while it unmounts. */
  detach(target: string, force: boolean): Promise<number>
  /** By force and at once, for a process that ends. */
  detachNow(target: string): number
  socketPair(): readonly [number, number] | number
  /** The descriptor that the other side of the socket sent (SCM_RIGHTS). */
  receiveDescriptor(socket: number): number
}

export function loadAttach(): Attach {
  return loadAddon('client/fuse/attach') as Attach
}
