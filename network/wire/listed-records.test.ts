import test from 'ava'
import { ClusterError } from '../errors.ts'
import type { Attributes } from './attributes.ts'
import { entriesOfListed, ListedRecords, listedRecordBytes } from './listed-records.ts'
import type { ListedEntry } from './operations.ts'

function attributesOf(ino: number, more: Partial<Attributes> = {}): Attributes {
  return {
    ...{ ino, mode: 0o104755, nlink: 65_000, uid: 2 ** 32 - 1, gid: 2 ** 32 - 2 },
    ...{ rdev: 2 ** 32 - 3, size: 2 ** 53 - 1 },
    ...{ atimeNs: 2n ** 63n - 1n, mtimeNs: -(2n ** 63n), ctimeNs: -1n },
    ...{ change: 2 ** 52 + 1, generation: 2 ** 40 + 1, cuts: 2 ** 40 + 2, reach: 2 ** 40 + 3 },
    ...{ blockBytes: 2 ** 23, inlineBytes: 8192, xattrFlags: 15, allocated: 2 ** 50 + 4096 },
    ...more,
  }
}

const entries: ListedEntry[] = [1, 7, 8, 9, 255].map((length, index) => {
  const ino = 4095 * 2 ** 40 + index
  return {
    name: Uint8Array.from({ length }, () => 97 + index),
    ...{ ino, type: 0o100000, cookie: 2 ** 52 - 5 + index },
    attributes: index % 2 === 0 ? attributesOf(ino, { size: index }) : null,
    ...{ nameMs: 60_000 + index, leaseMs: index % 2 === 0 ? 60_000 : 0 },
  }
})

function written(): Uint8Array {
  const records = new ListedRecords(16)
  for (const entry of entries) records.add(entry)
  return records.bytes()
}

test('what names lead to is read as it was written, wherever it lies', t => {
  const bytes = written()
  t.deepEqual(entriesOfListed(bytes), entries)
  const elsewhere = new Uint8Array(bytes.length + 3)
  elsewhere.set(bytes, 3)
  t.deepEqual(entriesOfListed(elsewhere.subarray(3)), entries)
  t.deepEqual(entriesOfListed(new Uint8Array(0)), [])
})

test('what is cut short is refused', t => {
  const bytes = written()
  const ends = new Set([0])
  let end = 0
  for (const { name } of entries) {
    end += listedRecordBytes(name.length)
    ends.add(end)
  }
  t.is(end, bytes.length)
  for (let length = 0; length < bytes.length; length++) {
    if (ends.has(length)) continue
    const read = () => entriesOfListed(bytes.subarray(0, length))
    t.throws(read, { instanceOf: ClusterError, message: /cut short/ }, `${length}`)
  }
})
