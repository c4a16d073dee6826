/** The extended attributes of one inode, kept together in one record: read and replaced as a whole. */
import { ClusterError } from '../../network/errors.ts'

export type Xattrs = Map<string, Uint8Array>

/** For each: u8 length of name, u32 length of value, name, value; little-endian. Names as latin1. */
const headBytes = 5

export function encodeXattrs(xattrs: Xattrs): Uint8Array {
  let length = 0
  for (const [name, value] of xattrs) length += headBytes + name.length + value.length
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  for (const [name, value] of xattrs) {
    bytes[at] = name.length
    bytes.writeUInt32LE(value.length, at + 1)
    bytes.write(name, at + headBytes, 'latin1')
    bytes.set(value, at + headBytes + name.length)
    at += headBytes + name.length + value.length
  }
  return bytes
}

export function decodeXattrs(record: Uint8Array | undefined): Xattrs {
  const xattrs: Xattrs = new Map()
  if (record === undefined) return xattrs
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength)
  for (let at = 0; at < bytes.length; ) {
    if (at + headBytes > bytes.length) throw cutShort()
    const valueAt = at + headBytes + bytes[at]!
    const end = valueAt + bytes.readUInt32LE(at + 1)
    if (end > bytes.length) throw cutShort()
    xattrs.set(bytes.toString('latin1', at + headBytes, valueAt), bytes.subarray(valueAt, end))
    at = end
  }
  return xattrs
}

function cutShort(): ClusterError {
  return new ClusterError('MALFORMED', 'a record of extended attributes is cut short')
}
