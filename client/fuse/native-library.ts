/** The optional npm package fuse-native (libfuse 2, paths): found, loaded, typed. */
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { PosixError } from '../../network/errors.ts'

/** First argument: 0 or a negated Linux error number. */
export type NativeCallback = (result: number, value?: unknown) => void

export interface NativeFuse {
  mount(done: (error: Error | null) => void): void
  unmount(done: (error: Error | null) => void): void
}

export interface NativeLibrary {
  new (mountpoint: string, operations: object, options: object): NativeFuse
  /** How a mount is ended; ours replaces the package's own, which is always lazy. */
  unmount(mountpoint: string, done: (error: Error | null) => void): void
}

/** RTLD_NODELETE (dlfcn.h): stays loaded though Node closes what is no addon. */
const keepLoaded = 0x1000

/** @throws PosixError ENODEV that says what is missing. */
export function loadNativeLibrary(): NativeLibrary {
  const require = createRequire(import.meta.url)
  try {
    preload(require('fuse-shared-library').lib as string)
    return require('fuse-native') as NativeLibrary
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    const advice = 'use the direct mount, or `npm install fuse-native`'
    throw new PosixError('ENODEV', `fuse-native cannot be used (${reason}): ${advice}`, { cause })
  }
}

/**
 * The addon wants `libfuse.so.2`, which the package carries but the dynamic linker does not look for there.
 * Once loaded from its path, the linker finds it by its name. Node then complains that it is no addon.
 */
function preload(library: string): void {
  const flags = constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | keepLoaded
  try {
    process.dlopen({ exports: {} }, library, flags)
  } catch (error) {
    if (error instanceof Error && error.message.includes('did not self-register')) return
    throw error
  }
}
