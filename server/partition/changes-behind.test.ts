import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import type { Incoming } from '../../network/rpc/contract.ts'
import type { ReplyOf } from '../../network/wire/operations.ts'
import { leasingPartition } from './changes-behind.ts'

const incoming = {
  peer: { hello: { id: 'client' } },
  partition: 0,
  body: { parent: 1, asksBehind: true },
} as unknown as Incoming<'unlink'>
const reply = { body: {} as ReplyOf<'unlink'>, payload: [] }

test('what was done is answered so, though its partition has gone elsewhere before it could be leased', async t => {
  const admit = () => {
    throw new ClusterError('NOT_PRIMARY', 'it is served elsewhere')
  }
  const leasing = leasingPartition({ admit, isFull: () => false }, () => reply)
  t.is(await leasing(incoming), reply)
})

test('what is wrong in a server itself is not passed over', async t => {
  const admit = () => {
    throw new TypeError('no such thing')
  }
  const leasing = leasingPartition({ admit, isFull: () => false }, () => reply)
  await t.throwsAsync(async () => await leasing(incoming), { instanceOf: TypeError })
})

test('nothing is leased to who does not ask, nor on a full disk', async t => {
  const admit = () => {
    throw new TypeError('nothing is looked at')
  }
  const unasked = { ...incoming, body: { parent: 1 } } as unknown as Incoming<'unlink'>
  t.is(await leasingPartition({ admit, isFull: () => false }, () => reply)(unasked), reply)
  t.is(await leasingPartition({ admit, isFull: () => true }, () => reply)(incoming), reply)
})
