/**
 * The find phase: over everything that was written, the files newer than a moment, of 3,901 bytes, with "01" in
 * their names. Directories are shared out to the ranks.
 */
import type { TargetStat } from '../target.ts'
import { easyFiles, hardFileBytes, hardFiles } from './mdtest.ts'
import type { Rank } from './workload.ts'

export interface Found {
  /** Entries looked at. */
  readonly seen: number
  readonly matched: number
}

export async function find({ rank, ranks, target }: Rank, newerThanMs: number): Promise<Found> {
  const directories = ['/ior-easy', '/ior-hard', hardFiles.directory(0)]
  for (let owner = 0; owner < ranks; owner++) directories.push(easyFiles.directory(owner))
  let seen = 0
  let matched = 0
  // From the end, so that the shared directory, the largest, goes to another rank than the first.
  for (let i = rank; i < directories.length; i += ranks) {
    const directory = directories[i]!
    for await (const name of target.list(directory)) {
      seen++
      if (!name.includes('01')) continue
      if (matches(await target.stat(`${directory}/${name}`), newerThanMs)) matched++
    }
  }
  return { seen, matched }
}

function matches({ size, mtimeMs }: TargetStat, newerThanMs: number): boolean {
  return size === hardFileBytes && mtimeMs > newerThanMs
}
