import test from 'ava'
import { SimulatedEnv } from '../network/env/simulated.ts'
import { machineBootOf } from '../network/membership/host.ts'
import { Losses } from './losses.ts'
import type { Key } from './metadata/contract.ts'

const { random } = new SimulatedEnv({ seed: 1 })

function setUp(server: string) {
  const content = new Map<Key, Uint8Array>()
  const reader = { get: (key: Key) => content.get(key) }
  const open = (boot: string) => new Losses({ reader, boot, server, random })
  const lose = (boot: string) => {
    const losses = open(boot)
    for (let blocks = 0; blocks < 3; blocks++) {
      const { key, value } = losses.note()
      content.set(key, value!)
    }
    return losses.boot
  }
  return { content, open, lose }
}

test('what was lost under a boot makes another one of it, once each time that the store was opened', t => {
  const { open, lose } = setUp('s')
  t.is(open('a-1').boot, 'a-1/s')
  t.is(lose('a-1'), 'a-1/s+1')
  t.is(open('a-1').boot, 'a-1/s+1')
  t.is(lose('a-1'), 'a-1/s+2')
  t.is(open('b-2').boot, 'b-2/s')
  t.deepEqual(['a-1', 'a-1/s', 'a-1/s+2', ''].map(machineBootOf), ['a-1', 'a-1', 'a-1', ''])
})

test('another server of the machine calls the same boot by another name', t => {
  t.not(setUp('s').open('a').boot, setUp('t').open('a').boot)
})

test('where nobody can read how much was lost it counts as more than ever', t => {
  const { content, open, lose } = setUp('s')
  const told = lose('a')
  const [key] = content.keys()
  for (const damaged of [Uint8Array.of(0xc1), new Uint8Array(0)]) {
    content.set(key!, damaged)
    const { boot } = open('a')
    t.not(boot, told)
    t.is(machineBootOf(boot), 'a')
  }
})
