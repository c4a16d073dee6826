import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import type { Key, KeyMutation } from '../metadata/contract.ts'
import { continueLineage, readLineage } from './lineage.ts'

function store() {
  const rows = new Map<Key, Uint8Array>()
  const get = (key: Key) => rows.get(key)
  const put = (mutations: readonly KeyMutation[]) => {
    for (const { key, value } of mutations) if (value !== null) rows.set(key, value)
  }
  return { get, put }
}

test('a partition that moves keeps the boots under which it lost nothing', t => {
  const rows = store()
  rows.put(continueLineage(rows, 1, 'a', false))
  rows.put(continueLineage(rows, 1, 'b', true))
  t.deepEqual(readLineage(rows, 1), ['a', 'b'])
  t.deepEqual(continueLineage(rows, 1, 'b', false), [], 'the same boot goes on')
  rows.put(continueLineage(rows, 1, 'a', true))
  t.deepEqual(readLineage(rows, 1), ['b', 'a'])
})

test('a loss of power ends the boots of before', t => {
  const rows = store()
  rows.put(continueLineage(rows, 1, 'a', false))
  rows.put(continueLineage(rows, 1, 'b', true))
  rows.put(continueLineage(rows, 1, 'c', false))
  t.deepEqual(readLineage(rows, 1), ['c'])
})

test('boots that cannot be read are none, and a disk that fails is an error', t => {
  for (const garbage of [new Uint8Array(0), Uint8Array.of(0xc1), Uint8Array.of(7)]) {
    t.deepEqual(readLineage({ get: () => garbage }, 1), [])
    t.is(continueLineage({ get: () => garbage }, 1, 'a', true).length, 1)
  }
  const failing = (code: 'CHECKSUM' | 'DISK') => ({
    get: () => {
      throw new ClusterError(code, 'one bit')
    },
  })
  t.deepEqual(readLineage(failing('CHECKSUM'), 1), [])
  t.throws(() => readLineage(failing('DISK'), 1), { code: 'DISK' })
})
