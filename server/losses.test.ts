import test from 'ava'
import { machineBootOf } from '../network/membership/host.ts'
import { Losses } from './losses.ts'
import type { Key } from './metadata/contract.ts'

test('what was lost under a boot makes another one of it, once each time that the store was opened', t => {
  const content = new Map<Key, Uint8Array>()
  const opened = (boot: string) => new Losses({ get: key => content.get(key) }, boot)
  const lose = (boot: string) => {
    const losses = opened(boot)
    for (let blocks = 0; blocks < 3; blocks++) {
      const { key, value } = losses.note()
      content.set(key, value!)
    }
    return losses.boot
  }
  t.is(opened('a-1').boot, 'a-1')
  t.is(lose('a-1'), 'a-1+1')
  t.is(opened('a-1').boot, 'a-1+1')
  t.is(lose('a-1'), 'a-1+2')
  t.is(opened('b-2').boot, 'b-2')
  t.deepEqual(['a-1', 'a-1+2', ''].map(machineBootOf), ['a-1', 'a-1', ''])
})
