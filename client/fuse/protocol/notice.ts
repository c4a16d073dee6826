/** What we tell the kernel unasked: it must drop what it keeps (FUSE_NOTIFY_INVAL_*). */
import { notice, outHeaderBytes } from './numbers.ts'

/** fuse_notify_inval_inode_out: attributes and all pages, or those of the first `bytes`. */
export function inodeNotice(node: number, bytes = 0): Uint8Array {
  const message = begin(outHeaderBytes + 24, notice.invalidateInode)
  message.writeBigUInt64LE(BigInt(node), outHeaderBytes)
  message.writeBigInt64LE(BigInt(bytes), outHeaderBytes + 16)
  return message
}

/** The same, of its attributes alone: a negative offset means no pages. */
export function attributesNotice(node: number): Uint8Array {
  const message = begin(outHeaderBytes + 24, notice.invalidateInode)
  message.writeBigUInt64LE(BigInt(node), outHeaderBytes)
  message.writeBigInt64LE(-1n, outHeaderBytes + 8)
  return message
}

/** fuse_notify_inval_entry_out, and the name closed by a NUL. */
export function entryNotice(parent: number, name: Uint8Array): Uint8Array {
  const message = begin(outHeaderBytes + 16 + name.length + 1, notice.invalidateEntry)
  message.writeBigUInt64LE(BigInt(parent), outHeaderBytes)
  message.writeUInt32LE(name.length, outHeaderBytes + 8)
  message.set(name, outHeaderBytes + 16)
  return message
}

/** A notice has the code in place of an error, and no request that it belongs to. */
function begin(length: number, code: number): Buffer {
  const message = Buffer.alloc(length)
  message.writeUInt32LE(length, 0)
  message.writeInt32LE(code, 4)
  return message
}
