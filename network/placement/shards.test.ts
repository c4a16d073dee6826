import test from 'ava'
import { shardSlots } from '../limits.ts'
import { makeIno, partitionOfIno } from '../wire/ids.ts'
import { entryHash } from './locate.ts'
import {
  firstHashOf,
  isShardMap,
  partitionOfShard,
  partitionsOf,
  shardAt,
  slotOf,
} from './shards.ts'

const directory = makeIno(7, 1234)

test('slots divide all hashes evenly', t => {
  t.is(slotOf(1), 0)
  t.is(slotOf(2 ** 48 - 1), shardSlots - 1)
  t.is(slotOf(2 ** 48), shardSlots - 1)
  for (let slot = 1; slot < shardSlots; slot++) {
    t.is(slotOf(firstHashOf(slot)), slot)
    t.is(slotOf(firstHashOf(slot) - 1), slot - 1)
  }
  const counts = new Array<number>(shardSlots).fill(0)
  for (let index = 0; index < 64_000; index++)
    counts[slotOf(entryHash(Buffer.from(`f${index}`)))]!++
  t.true(counts.every(count => count > 850 && count < 1150))
})

test('a slot belongs to the last shard that begins before it', t => {
  const map = Uint8Array.from([0, 8, 32])
  t.deepEqual(
    [0, 7, 8, 31, 32, 63].map(slot => shardAt(map, slot)),
    [0, 0, 8, 8, 32, 32],
  )
  t.is(shardAt(new Uint8Array(0), 63), 0)
})

test('the first shard stays at home, and the others spread over all partitions', t => {
  t.is(partitionOfShard(directory, 0, 256), partitionOfIno(directory))
  const all = Uint8Array.from({ length: shardSlots }, (_, slot) => slot)
  t.true(partitionsOf(directory, all, 256).size > 40)
  t.is(partitionsOf(makeIno(2, 1234), all, 4).size, 4)
  t.deepEqual([...partitionsOf(directory, new Uint8Array(0), 256)], [7])
})

test('where a shard lies never changes', t => {
  t.deepEqual(
    [1, 2, 16, 32, 63].map(first => partitionOfShard(directory, first, 256)),
    [181, 77, 204, 165, 3],
  )
})

test('a shard map begins with 0 and rises', t => {
  for (const good of [[0], [0, 32], [0, 1, 2, 63]]) t.true(isShardMap(Uint8Array.from(good)))
  for (const bad of [[], [1], [0, 0], [0, 32, 16], [0, 64]])
    t.false(isShardMap(Uint8Array.from(bad)))
  for (const bad of [null, 'x', [0, 32], new Uint8Array(shardSlots + 1)]) t.false(isShardMap(bad))
})
