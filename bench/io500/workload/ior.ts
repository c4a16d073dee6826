/**
 * The data phases. easy: a file for each rank, in order, in transfers of 2 MiB. hard: one file of all, in
 * interleaved pieces of 47,008 bytes. Writing ends with fsync; reading is of a neighbour's data, and verified.
 */
import type { TargetFile } from '../target.ts'
import { neighbour, Pattern, type Rank, type Work } from './workload.ts'

export const easyTransferBytes = 2 * 1024 * 1024
export const hardTransferBytes = 47_008

interface Layout {
  readonly transferBytes: number
  path(owner: number): string
  offset(owner: number, index: number): number
}

export function easyLayout(): Layout {
  return {
    transferBytes: easyTransferBytes,
    path: owner => `/ior-easy/file.${owner}`,
    offset: (_, index) => index * easyTransferBytes,
  }
}

export function hardLayout(ranks: number): Layout {
  return {
    transferBytes: hardTransferBytes,
    path: () => '/ior-hard/file',
    offset: (owner, index) => (index * ranks + owner) * hardTransferBytes,
  }
}

export class IorWrite implements Work {
  readonly #rank: Rank
  readonly #layout: Layout
  readonly #pattern: Pattern
  #file: TargetFile | undefined

  constructor(rank: Rank, layout: Layout) {
    this.#rank = rank
    this.#layout = layout
    this.#pattern = new Pattern(layout.transferBytes)
  }

  async step(index: number): Promise<void> {
    const { rank } = this.#rank
    this.#file ??= await this.#open()
    const data = this.#pattern.of(rank, index)
    await this.#file.write(data, this.#layout.offset(rank, index))
  }

  async finish(): Promise<void> {
    await this.#file?.sync()
    await this.#file?.close()
  }

  async #open(): Promise<TargetFile> {
    const { rank, target } = this.#rank
    const path = this.#layout.path(rank)
    try {
      return await target.open(path, 'create')
    } catch (error) {
      // The shared file: somebody else was first.
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
        return await target.open(path, 'write')
      }
      throw error
    }
  }
}

export class IorRead implements Work {
  readonly #owner: number
  readonly #rank: Rank
  readonly #layout: Layout
  readonly #pattern: Pattern
  readonly #into: Buffer
  #file: TargetFile | undefined

  constructor(rank: Rank, layout: Layout) {
    this.#owner = neighbour(rank, 1)
    this.#rank = rank
    this.#layout = layout
    this.#pattern = new Pattern(layout.transferBytes)
    this.#into = Buffer.alloc(layout.transferBytes)
  }

  async step(index: number): Promise<void> {
    this.#file ??= await this.#rank.target.open(this.#layout.path(this.#owner), 'read')
    await this.#file.read(this.#into, this.#layout.offset(this.#owner, index))
    this.#pattern.verify(this.#into, this.#owner, index)
  }

  async finish(): Promise<void> {
    await this.#file?.close()
  }
}
