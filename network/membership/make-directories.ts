/** Makes a directory and those above it, or says why that cannot be. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * Not `mkdir` with `recursive`: in a parent that exists and lets nothing be made in it (`/proc`, a directory
 * that was removed), Node's tries for ever.
 * @returns the first that had to be made; undefined when all were there.
 * @throws what mkdir(2) gave for the one that cannot be made.
 */
export async function makeDirectories(path: string, mode = 0o777): Promise<string | undefined> {
  const directory = resolve(path)
  let first: string | undefined
  try {
    if (await make(directory, mode)) return directory
    return undefined
  } catch (error) {
    const parent = dirname(directory)
    if (!isMissing(error) || parent === directory) throw error
    first = await makeDirectories(parent, mode)
  }
  const made = await make(directory, mode)
  return first ?? (made ? directory : undefined)
}

/** @returns whether it is new. */
async function make(directory: string, mode: number): Promise<boolean> {
  try {
    await mkdir(directory, { mode })
    return true
  } catch (error) {
    const found = await stat(directory).catch(() => null)
    if (found?.isDirectory()) return false
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** Why a directory could not be made, for a person. @param error what `makeDirectories` threw. */
export function whyNotMade(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  return reasons[code] ?? code
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EEXIST: 'it is not a directory',
  ENOENT: 'no directories can be made there',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'it is not a directory',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
}
