import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { PosixError } from '../../network/errors.ts'
import { dropRetryFirstDelayMs } from '../../network/limits.ts'
import { blockKeyOf } from '../blocks/index.ts'
import type { Key } from '../metadata/contract.ts'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { noBlocks } from '../testing/no-blocks.ts'
import { StoreDouble } from '../testing/store-double.ts'
import { hashOfBoot, readCopyRecord } from './copy-record.ts'
import { Dropper } from './dropper.ts'

function keyIn(partition: number, block: number): Key {
  return blockKeyOf({ partition, ino: partition * 2 ** 40 + 7, generation: 0, block })
}

function world(failing: { partition: number; left: number }) {
  const env = new SimulatedEnv({ seed: 1 })
  const content = new Map<Key, Uint8Array>()
  for (const partition of [3, 4]) content.set(keyIn(partition, 0), new Uint8Array(1))
  const store = new MetadataStore(new StoreDouble(content), error => {
    throw error
  })
  const cut: typeof noBlocks.cut = async ({ partition }) => {
    if (partition !== failing.partition || failing.left-- <= 0) return null
    throw new PosixError('EIO', 'the disk is busy')
  }
  const lines: string[] = []
  const dropper = new Dropper({
    ...{ env, store, blocks: { ...noBlocks, cut }, boot: hashOfBoot('boot') },
    touched: () => undefined,
    log: message => lines.push(message),
  })
  return { env, content, store, dropper, lines }
}

test('a copy that cannot be deleted is tried again, less and less often, and told of once', async t => {
  const { env, content, store, dropper, lines } = world({ partition: 3, left: 3 })
  dropper.drop(3)
  await env.advance(0)
  t.is(dropper.size, 1)
  await env.advance(dropRetryFirstDelayMs * 3)
  t.is(
    dropper.size,
    1,
    'the third attempt has failed, the fourth is four times the first delay away',
  )
  await env.advance(dropRetryFirstDelayMs * 4)
  t.is(dropper.size, 0)
  t.false(content.has(keyIn(3, 0)))
  t.is(readCopyRecord(store, 3), null)
  t.is(lines.length, 1, lines.join('\n'))
  await dropper.stop()
})

test('a copy that cannot be deleted keeps no other one from being so', async t => {
  const { env, content, dropper } = world({ partition: 3, left: Number.POSITIVE_INFINITY })
  dropper.drop(3)
  dropper.drop(4)
  await env.advance(0)
  t.false(content.has(keyIn(4, 0)))
  t.false(dropper.isDropping(4))
  t.true(dropper.isDropping(3), 'it is not to be fed meanwhile')
  await dropper.stop()
  await env.advance(0)
  t.true(content.has(keyIn(3, 0)))
})
