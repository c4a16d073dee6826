/** How fast bodies are encoded and decoded, against JSON. */
import type { Attributes } from '../../network/wire/attributes.ts'
import { decodeBody, encodeBody } from '../../network/wire/codec.ts'
import { perSecond, printTable, type Row } from './table.ts'

export const name = 'codec'

const attributes: Attributes = {
  ino: 5 * 2 ** 40 + 77,
  mode: 0o100644,
  nlink: 1,
  uid: 1000,
  gid: 1000,
  rdev: 0,
  size: 3901,
  atimeNs: 1_767_225_600_123_456_789n,
  mtimeNs: 1_767_225_600_123_456_789n,
  ctimeNs: 1_767_225_600_123_456_789n,
  change: 12,
  generation: 1,
  cuts: 0,
  reach: 0,
  blockBytes: 1 << 20,
  inlineBytes: 8192,
  xattrFlags: 0,
  allocated: 0,
}

const fileName = new TextEncoder().encode('file.mdtest.0.1234')

const messages = {
  'lookup request': { parent: 5 * 2 ** 40 + 16, name: fileName },
  'create request': {
    parent: 5 * 2 ** 40 + 16,
    name: fileName,
    mode: 0o100644,
    umask: 0o022,
    uid: 1000,
    gid: 1000,
    rdev: 0,
    target: new Uint8Array(0),
    exclusive: true,
    open: true,
    slot: 3,
    sequence: 900,
  },
  'attributes reply': { attributes },
} as const

export async function run(): Promise<Row[]> {
  const rows: Row[] = []
  for (const [what, message] of Object.entries(messages)) {
    const bytes = Uint8Array.from(encodeBody(message))
    const encode = perSecond(() => encodeBody(message)) / 1000
    const decode = perSecond(() => decodeBody(bytes)) / 1000
    const text = JSON.stringify(message, sayable)
    const json = perSecond(() => JSON.stringify(message, sayable)) / 1000
    const parse = perSecond(() => JSON.parse(text)) / 1000
    const size = `${what}, ${bytes.length} bytes`
    rows.push(
      {
        what: `encode ${size}`,
        value: encode,
        unit: 'k/s',
        against: { value: json, what: 'JSON.stringify' },
      },
      {
        what: `decode ${size}`,
        value: decode,
        unit: 'k/s',
        against: { value: parse, what: 'JSON.parse' },
      },
    )
  }
  return rows
}

function sayable(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}

if (import.meta.main) printTable(name, await run())
