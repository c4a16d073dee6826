import test from 'ava'
import { firstHashOf, partitionOfShard } from '../../network/placement/shards.ts'
import { makeIno } from '../../network/wire/ids.ts'
import { ShardMaps } from './shard-maps.ts'

const directory = makeIno(3, 99)
const name = Buffer.from('f')

test('a directory of which nothing is known is where its number says', t => {
  const maps = new ShardMaps(64)
  t.is(maps.partitionOfName(directory, name), 3)
  t.is(maps.partitionBehind(directory, firstHashOf(63) * 16), 3)
})

test('names and places in a listing are found by the map', t => {
  const maps = new ShardMaps(64)
  maps.learn(directory, Uint8Array.from([0, 32, 48]))
  t.is(maps.partitionBehind(directory, 0), 3)
  t.is(maps.partitionBehind(directory, firstHashOf(32) * 16 - 2), 3)
  t.is(
    maps.partitionBehind(directory, firstHashOf(32) * 16 - 1),
    partitionOfShard(directory, 32, 64),
  )
  t.is(
    maps.partitionBehind(directory, firstHashOf(48) * 16 + 5),
    partitionOfShard(directory, 48, 64),
  )
  const found = new Set<number>()
  for (let index = 0; index < 200; index++) {
    found.add(maps.partitionOfName(directory, Buffer.from(`f${index}`)))
  }
  const expected = [0, 32, 48].map(first => partitionOfShard(directory, first, 64))
  t.deepEqual([...found].sort(), [...new Set(expected)].sort())
  maps.learn(directory, new Uint8Array(0))
  t.is(maps.partitionOfName(directory, name), 3)
})

test('as many maps are kept as there is room for, the latest', t => {
  const maps = new ShardMaps(64, 2)
  const map = Uint8Array.from([0, 1])
  const last = firstHashOf(63) * 16
  const others = [1, 2, 3].map(sequence => makeIno(0, 100 + sequence))
  for (const each of others) maps.learn(each, map)
  t.is(maps.partitionBehind(others[0]!, last), 0)
  t.is(maps.partitionBehind(others[2]!, last), partitionOfShard(others[2]!, 1, 64))
})
