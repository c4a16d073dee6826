/**
 * Typed face of level-write.c: writes batches to an open store of classic-level in this thread. What is written is in
 * Level's log, with the kernel, when `write` returns: as after `batch` without `sync`.
 */
import { createRequire } from 'node:module'
import { loadAddon } from '../../network/addon.ts'
import { checksumBytes } from '../../network/wire/checksum.ts'
import { xxhash64 } from '../../network/wire/xxhash64.ts'
import type { KeyMutation } from './contract.ts'

interface LevelWriteAddon {
  /** undefined where the handle is not what the addon knows. */
  open(handle: unknown): object | undefined
  /** @returns what went wrong. */
  write(writer: object, pairs: Uint8Array, length: number): string | undefined
}

/** The one whose handles are known; another one gets its batches as its own page says. */
const knownVersion = '3.0.0'
const pairHeaderBytes = 8
const deleted = 2 ** 32 - 1
const nothing = new Uint8Array(0)
/** Longer batches get memory of their own, which is not kept. */
const keptBytes = 64 * 1024

export class LevelWriter {
  readonly #addon: LevelWriteAddon
  readonly #writer: object
  readonly #kept = Buffer.allocUnsafeSlow(keptBytes)

  private constructor(addon: LevelWriteAddon, writer: object) {
    this.#addon = addon
    this.#writer = writer
  }

  /** @param level open; null where it is not the classic-level that is known, or of another machine. */
  static of(level: object): LevelWriter | null {
    const symbols = Object.getOwnPropertySymbols(level)
    const context = symbols.find(({ description }) => description === 'context')
    if (context === undefined || installedVersion() !== knownVersion) return null
    const addon = loadAddon('server/metadata/level-write') as LevelWriteAddon
    const writer = addon.open((level as Record<symbol, unknown>)[context])
    return writer === undefined ? null : new LevelWriter(addon, writer)
  }

  /** All or nothing, each value sealed (sealed.ts). To be called while the store is open. @throws Error of Level. */
  write(mutations: readonly KeyMutation[]): void {
    const length = lengthOf(mutations)
    const pairs = length <= keptBytes ? this.#kept : Buffer.allocUnsafeSlow(length)
    let at = 0
    for (const mutation of mutations) at = writePair(pairs, at, mutation)
    const failure = this.#addon.write(this.#writer, pairs, length)
    if (failure !== undefined) throw new Error(failure)
  }
}

export function lengthOf(mutations: readonly KeyMutation[]): number {
  let length = 0
  for (const { key, value } of mutations) {
    length += pairHeaderBytes + key.length
    if (value !== null) length += value.byteLength + checksumBytes
  }
  return length
}

/** @returns where it ends. */
function writePair(pairs: Buffer, at: number, { key, value }: KeyMutation): number {
  const keyAt = at + pairHeaderBytes
  const valueAt = keyAt + key.length
  pairs.writeUInt32LE(key.length, at)
  pairs.write(key, keyAt, 'latin1')
  if (value === null) {
    pairs.writeUInt32LE(deleted, at + 4)
    return valueAt
  }
  const sealAt = valueAt + value.byteLength
  const end = sealAt + checksumBytes
  pairs.writeUInt32LE(end - valueAt, at + 4)
  pairs.set(value, valueAt)
  xxhash64.checksum(pairs.subarray(keyAt, sealAt), nothing, pairs.subarray(sealAt, end))
  return end
}

function installedVersion(): string {
  const here = createRequire(import.meta.url)
  const level = createRequire(here.resolve('level'))
  return (level('classic-level/package.json') as { version: string }).version
}
