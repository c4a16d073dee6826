import test from 'ava'
import { ClusterError } from '../errors.ts'
import {
  DirectoryRecordReader,
  DirectoryRecords,
  directoryRecordBytes,
  entriesOfRecords,
  recordsOf,
} from './directory-records.ts'

const entries = [1, 7, 8, 9, 255].map((length, index) => ({
  name: Uint8Array.from({ length }, () => 97 + index),
  ino: 4095 * 2 ** 40 + index,
  type: 0o100000,
  cookie: 2 ** 52 - 5 + index,
}))

function written(): Uint8Array {
  const records = new DirectoryRecords(16)
  for (const entry of entries) records.add(entry)
  return records.bytes()
}

test('records are read as they were written, also from pieces that are cut anywhere', t => {
  const bytes = written()
  t.deepEqual(entriesOfRecords(bytes), entries)
  for (let at = 0; at <= bytes.length; at++) {
    t.deepEqual(recordsOf([bytes.subarray(0, at), bytes.subarray(at)]), Buffer.from(bytes))
  }
  t.is(recordsOf([]).length, 0)
})

test('a record is a fuse_dirent', t => {
  const records = new DirectoryRecords(1)
  records.add({
    name: Buffer.from('abc'),
    ino: 0x1_0000_0002,
    type: 0o040000,
    cookie: 0x3_0000_0004,
  })
  const words = ['0200000001000000', '0400000003000000', '03000000', '04000000', '6162630000000000']
  t.is(Buffer.from(records.bytes()).toString('hex'), words.join(''))
})

test('the reader goes from record to record', t => {
  const reader = new DirectoryRecordReader(written())
  let at = 0
  for (const { name, cookie } of entries) {
    t.is(reader.cookieAt(at), cookie)
    t.is(reader.endAt(at), at + directoryRecordBytes(name.length))
    at = reader.endAt(at)
  }
  t.is(at, reader.records.length)
})

test('what is cut short, or has no name, is refused', t => {
  const bytes = written()
  const borders = new Set([0])
  for (let at = 0; at < bytes.length; ) {
    at = new DirectoryRecordReader(bytes).endAt(at)
    borders.add(at)
  }
  for (let length = 0; length < bytes.length; length++) {
    if (borders.has(length)) continue
    const read = () => entriesOfRecords(bytes.subarray(0, length))
    t.throws(read, { instanceOf: ClusterError, message: /cut short/ })
  }
  for (const length of [0, bytes.length, 2 ** 31, 2 ** 32 - 1]) {
    const other = Uint8Array.from(bytes)
    new DataView(other.buffer).setUint32(16, length, true)
    t.throws(() => entriesOfRecords(other), { instanceOf: ClusterError })
  }
})
