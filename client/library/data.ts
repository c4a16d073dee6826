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

/** How names are told: as text, or byte by byte as only `buffer` can for those that are not UTF-8. */
export type NameEncoding = BufferEncoding | 'buffer' | null | undefined

export type BufferNames = 'buffer' | { readonly encoding: 'buffer'; readonly withFileTypes?: false }
export type TextNames =
  | BufferEncoding
  | { readonly encoding?: BufferEncoding | null; readonly withFileTypes?: false }
  | null
export interface TextEntries {
  readonly encoding?: BufferEncoding | null | undefined
  readonly withFileTypes: true
}
export interface BufferEntries {
  readonly encoding: 'buffer'
  readonly withFileTypes: true
}
export type NameOption = BufferNames | TextNames

export function nameEncodingOf(
  option: NameOption | TextEntries | BufferEntries | undefined,
): NameEncoding {
  return typeof option === 'string' ? option : option?.encoding
}

export function nameIn(encoding: NameEncoding, name: Uint8Array): string | Buffer {
  if (encoding === 'buffer') return Buffer.from(name)
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString(encoding ?? 'utf8')
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
