/**
 * The metadata phases. easy: empty files, in a directory for each rank. hard: files of 3,901 bytes in one
 * directory of all, read back and verified.
 */
import { neighbour, Pattern, type Rank, type Work } from './workload.ts'

export const hardFileBytes = 3901

/** Distances to the rank whose files are looked at, and removed (mdtest's -N 1). */
const lookDistance = 1
const removeDistance = 3

export interface Files {
  /** 0 for none. */
  readonly bytes: number
  directory(owner: number): string
  path(owner: number, index: number): string
}

export const easyFiles: Files = {
  bytes: 0,
  directory: owner => `/mdtest-easy/dir.${owner}`,
  path: (owner, index) => `/mdtest-easy/dir.${owner}/file.mdtest.${owner}.${index}`,
}

export const hardFiles: Files = {
  bytes: hardFileBytes,
  directory: () => '/mdtest-hard',
  path: (owner, index) => `/mdtest-hard/file.mdtest.${owner}.${index}`,
}

export function createFiles({ rank, target }: Rank, files: Files): Work {
  const pattern = files.bytes > 0 ? new Pattern(files.bytes) : null
  return {
    prepare: async () => target.makeDirectory(files.directory(rank)),
    async step(index) {
      const file = await target.open(files.path(rank, index), 'create')
      if (pattern !== null) await file.write(pattern.of(rank, index), 0)
      await file.close()
    },
    finish: () => target.flush(),
  }
}

export function statFiles(rank: Rank, files: Files): Work {
  const owner = neighbour(rank, lookDistance)
  return {
    async step(index) {
      const { size } = await rank.target.stat(files.path(owner, index))
      if (size !== files.bytes) throw new Error(`a file has ${size} bytes, not ${files.bytes}`)
    },
  }
}

export function readFiles(rank: Rank, files: Files): Work {
  const owner = neighbour(rank, lookDistance)
  const pattern = new Pattern(files.bytes)
  const into = Buffer.alloc(files.bytes)
  return {
    async step(index) {
      const file = await rank.target.open(files.path(owner, index), 'read')
      await file.read(into, 0)
      await file.close()
      pattern.verify(into, owner, index)
    },
  }
}

export function removeFiles(rank: Rank, files: Files): Work {
  const owner = neighbour(rank, removeDistance)
  return { step: index => rank.target.remove(files.path(owner, index)) }
}
