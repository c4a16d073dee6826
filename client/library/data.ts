/** What programs hand over to be written, and ask to be given. */

export type Data =
  | string
  | ArrayBufferView
  | Iterable<string | ArrayBufferView>
  | AsyncIterable<string | ArrayBufferView>

export type EncodingOption =
  | BufferEncoding
  | null
  | { readonly encoding?: BufferEncoding | null | undefined }
  | undefined

export function encodingOf(option: EncodingOption): BufferEncoding | null {
  if (typeof option === 'string') return option
  return option?.encoding ?? null
}

export function bytesOf(data: string | ArrayBufferView, encoding?: BufferEncoding | null): Buffer {
  if (typeof data === 'string') return Buffer.from(data, encoding ?? 'utf8')
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}

/** The data piece by piece. */
export async function* piecesOf(
  data: Data,
  encoding?: BufferEncoding | null,
): AsyncGenerator<Buffer> {
  if (typeof data === 'string' || ArrayBuffer.isView(data)) {
    yield bytesOf(data, encoding)
    return
  }
  for await (const piece of data) yield bytesOf(piece, encoding)
}
