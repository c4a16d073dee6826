/**
 * Facts of all inodes, shared out by inode number over buckets that fit into memory one at a time: what does
 * not fit is in files of a scratch directory, 40 bytes for each fact.
 *
 * 1. All facts of one inode are in one bucket.
 */
import { appendFile, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Fact, factBytes, visitFacts } from '../../network/checking/facts.ts'
import { checkBucketInodes, checkBufferBytes, maxCheckBuckets } from '../../network/limits.ts'

const bufferBytes = Math.floor(checkBufferBytes / factBytes) * factBytes
const readBytes = 32 * bufferBytes

interface Bucket {
  readonly file: string
  readonly buffer: Uint8Array<ArrayBuffer>
  length: number
  /** Writes of one file follow one another. */
  written: Promise<void> | null
}

export class FactBuckets {
  readonly #buckets: Bucket[]

  /** @param inodes about as many as there are. */
  constructor(directory: string, inodes: number) {
    const count = Math.min(maxCheckBuckets, Math.max(1, Math.ceil(inodes / checkBucketInodes)))
    this.#buckets = Array.from({ length: count }, (_, index) => ({
      file: join(directory, `facts-${index}`),
      buffer: new Uint8Array(bufferBytes),
      length: 0,
      written: null,
    }))
  }

  get count(): number {
    return this.#buckets.length
  }

  /** @param facts whole rows. @throws what the file system says. */
  async add(facts: Uint8Array): Promise<void> {
    const view = new DataView(facts.buffer, facts.byteOffset, facts.byteLength)
    for (let at = 0; at + factBytes <= facts.length; at += factBytes) {
      const bucket = this.#bucketOf(view.getFloat64(at + 8, true))
      bucket.buffer.set(facts.subarray(at, at + factBytes), bucket.length)
      bucket.length += factBytes
      if (bucket.length === bufferBytes) await this.#flush(bucket)
    }
  }

  async read(index: number, visit: (fact: Fact) => void): Promise<void> {
    const bucket = this.#buckets[index]!
    if (bucket.written !== null) {
      await bucket.written
      await readFacts(bucket.file, visit)
    }
    visitFacts(bucket.buffer.subarray(0, bucket.length), visit)
  }

  async remove(): Promise<void> {
    for (const { file, written } of this.#buckets) {
      await written
      if (written !== null) await rm(file, { force: true })
    }
  }

  #bucketOf(ino: number): Bucket {
    // Neighbours go to different buckets, so that all are about as full.
    const index = ((ino % 2 ** 40) + Math.floor(ino / 2 ** 40)) % this.#buckets.length
    return this.#buckets[index]!
  }

  #flush(bucket: Bucket): Promise<void> {
    const { file, written } = bucket
    const bytes = Uint8Array.from(bucket.buffer)
    bucket.length = 0
    const append = () => appendFile(file, bytes)
    bucket.written = written === null ? append() : written.then(append)
    return bucket.written
  }
}

async function readFacts(path: string, visit: (fact: Fact) => void): Promise<void> {
  const file = await open(path)
  try {
    const buffer = Buffer.alloc(readBytes)
    for (let position = 0; ; ) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) return
      position += bytesRead
      visitFacts(buffer.subarray(0, bytesRead), visit)
    }
  } finally {
    await file.close()
  }
}
