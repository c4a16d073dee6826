/** Files as streams, shaped like fs.createReadStream and fs.createWriteStream. */
import { Readable, Writable } from 'node:stream'
import type { FileHandle } from './file-handle.ts'

export interface ReadStreamOptions {
  readonly flags?: string
  readonly encoding?: BufferEncoding
  /** First byte, and last byte inclusive. */
  readonly start?: number
  readonly end?: number
  readonly highWaterMark?: number
}

export interface WriteStreamOptions {
  readonly flags?: string
  readonly mode?: number
  readonly encoding?: BufferEncoding
  readonly start?: number
  readonly highWaterMark?: number
  /** fsync before the stream says that it has finished. */
  readonly flush?: boolean
}

const defaultStepBytes = 1024 * 1024

export function readStream(
  open: () => Promise<FileHandle>,
  options: ReadStreamOptions = {},
): Readable {
  const { highWaterMark = defaultStepBytes, encoding } = options
  const pieces = Readable.from(piecesOf(open, options, highWaterMark), {
    objectMode: false,
    highWaterMark,
  })
  return encoding === undefined ? pieces : pieces.setEncoding(encoding)
}

async function* piecesOf(
  open: () => Promise<FileHandle>,
  { start = 0, end = Number.MAX_SAFE_INTEGER }: ReadStreamOptions,
  stepBytes: number,
): AsyncGenerator<Buffer> {
  const handle = await open()
  try {
    for (let position = start; position <= end; ) {
      const buffer = Buffer.allocUnsafe(Math.min(stepBytes, end - position + 1))
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
      position += bytesRead
    }
  } finally {
    await handle.close()
  }
}

export function writeStream(
  open: () => Promise<FileHandle>,
  { start, flush = false, highWaterMark = defaultStepBytes, encoding }: WriteStreamOptions = {},
): Writable {
  let handle: FileHandle | null = null
  let position = start
  const put = async (data: Buffer): Promise<void> => {
    await handle?.write(data, 0, data.length, position ?? null)
    if (position !== undefined) position += data.length
  }
  return new Writable({
    highWaterMark,
    ...(encoding === undefined ? {} : { defaultEncoding: encoding }),
    construct: callback => {
      open().then(opened => {
        handle = opened
        callback()
      }, callback)
    },
    write: (chunk: Buffer, _encoding, callback) => {
      put(chunk).then(() => callback(), callback)
    },
    writev: (chunks, callback) => {
      put(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer))).then(
        () => callback(),
        callback,
      )
    },
    final: callback => {
      const synced = flush ? handle?.sync() : undefined
      Promise.resolve(synced).then(() => callback(), callback)
    },
    destroy: (error, callback) => {
      const closed = handle?.close()
      Promise.resolve(closed).then(() => callback(error), callback)
    },
  })
}
