import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import { maxRememberedSlots } from '../../network/limits.ts'
import type { Reply } from '../../network/rpc/contract.ts'
import type { KeyMutation } from '../metadata/contract.ts'
import { slotKey } from '../metadata/keys.ts'
import { Slots } from './slots.ts'

const client = 'ab'.repeat(16)

/** Slots over a map, and what was run. */
function setUp() {
  const content = new Map<string, Uint8Array>()
  const slots = new Slots({ get: key => content.get(key) })
  const put = ({ key, value }: KeyMutation) => content.set(key, value!)
  let runs = 0
  const remove = (sequence: number, ino: number, slot = 3, partition = 1) =>
    slots.once<'unlink'>(partition, client, { slot, sequence }, async keep => {
      runs++
      const reply: Reply<'unlink'> = { body: { ino, parent: null }, payload: [] }
      put(keep(reply))
      return reply
    })
  const fail = (sequence: number) =>
    slots.once<'unlink'>(1, client, { slot: 3, sequence }, async () => {
      runs++
      throw new ClusterError('DISK', 'no')
    })
  return { content, slots, remove, fail, runs: () => runs }
}

test('a repeat gets the reply that was kept', async t => {
  const { remove, runs } = setUp()
  t.is((await remove(1, 77)).body.ino, 77)
  t.is((await remove(1, 88)).body.ino, 77)
  t.is((await remove(2, 88)).body.ino, 88)
  t.is(runs(), 2)
})

test('a repeat gets the reply that was kept also after a restart', async t => {
  const { content, remove } = setUp()
  await remove(5, 77)
  const again = new Slots({ get: key => content.get(key) })
  const run = () => t.fail('it ran twice') as never
  const reply = await again.once<'unlink'>(1, client, { slot: 3, sequence: 5 }, run)
  t.deepEqual(reply.body, { ino: 77, parent: null })
  const old = again.once<'unlink'>(1, client, { slot: 3, sequence: 4 }, run)
  const error = await t.throwsAsync(old, { instanceOf: ClusterError })
  t.is(error?.code, 'STALE_SLOT')
  t.regex(error?.message ?? '', /slot 3/)
})

test('slots, partitions and clients are apart', async t => {
  const { slots, remove, runs } = setUp()
  await remove(9, 1)
  await remove(9, 2, 4)
  await remove(9, 3, 3, 2)
  await slots.once<'unlink'>(1, 'cd'.repeat(16), { slot: 3, sequence: 1 }, async () => ({
    body: { ino: 4, parent: null },
    payload: [],
  }))
  t.is(runs(), 3)
})

test('a straggler is refused, also when what came after it left nothing', async t => {
  const { remove, fail, runs } = setUp()
  await remove(1, 77)
  await t.throwsAsync(fail(5))
  for (const sequence of [1, 3]) {
    const error = await t.throwsAsync(remove(sequence, 88), { instanceOf: ClusterError })
    t.is(error?.code, 'STALE_SLOT')
  }
  t.is(runs(), 2)
})

test('what failed may be tried again', async t => {
  const { fail, remove } = setUp()
  await t.throwsAsync(fail(4))
  t.is((await remove(4, 77)).body.ino, 77)
})

test('a repeat waits for the attempt that is under way, and an older one is refused', async t => {
  const { slots } = setUp()
  const first = Promise.withResolvers<Reply<'unlink'>>()
  const running = slots.once<'unlink'>(1, client, { slot: 0, sequence: 2 }, () => first.promise)
  const repeat = slots.once<'unlink'>(1, client, { slot: 0, sequence: 2 }, () => t.fail() as never)
  const old = slots.once<'unlink'>(1, client, { slot: 0, sequence: 1 }, () => t.fail() as never)
  await t.throwsAsync(old, { message: /STALE_SLOT/ })
  first.resolve({ body: { ino: 5, parent: null }, payload: [] })
  t.deepEqual([(await running).body.ino, (await repeat).body.ino], [5, 5])
})

test('the next mutation of a slot waits for the one before, however that ends', async t => {
  const { slots, remove } = setUp()
  const first = Promise.withResolvers<Reply<'unlink'>>()
  const running = slots.once<'unlink'>(1, client, { slot: 3, sequence: 1 }, () => first.promise)
  const next = remove(2, 6)
  first.reject(new ClusterError('CONFLICT', 'busy'))
  await t.throwsAsync(running)
  t.is((await next).body.ino, 6)
})

test('a slot that no client has, and a reply too long to be kept, are refused', async t => {
  const { remove, slots } = setUp()
  for (const slot of [-1, 1.5, 256, Number.NaN]) {
    await t.throwsAsync(remove(1, 1, slot), { message: /MALFORMED/ })
  }
  for (const sequence of [-1, 1.5, Number.NaN]) {
    await t.throwsAsync(remove(sequence, 1), { message: /MALFORMED/ })
  }
  const long = slots.once<'readlink' & 'unlink'>(
    1,
    client,
    { slot: 1, sequence: 1 },
    async keep => {
      const reply = { body: { ino: 1, target: new Uint8Array(5_000) }, payload: [] }
      keep(reply as never)
      return reply as never
    },
  )
  await t.throwsAsync(long, { message: /INTERNAL/ })
})

test('deleted slots begin anew, and forgetting bounds what is remembered', async t => {
  const { content, slots, remove } = setUp()
  await remove(9, 77)
  content.delete(slotKey(1, client, 3))
  slots.forget()
  t.is((await remove(1, 78)).body.ino, 78)
  for (let partition = 0; partition <= maxRememberedSlots; partition += 1024) {
    await remove(1, partition, 7, partition % 4096)
  }
  t.is((await remove(1, 79)).body.ino, 78)
})

test('what ends after the partition was elsewhere is not taken for the latest here', async t => {
  const { content, slots, remove } = setUp()
  const first = Promise.withResolvers<Reply<'unlink'>>()
  const running = slots.once<'unlink'>(1, client, { slot: 3, sequence: 5 }, () => first.promise)
  slots.forget()
  first.reject(new ClusterError('NOT_PRIMARY', 'it is elsewhere'))
  await t.throwsAsync(running)
  // As the server that had it meanwhile has left it.
  const elsewhere = setUp()
  await elsewhere.remove(7, 77)
  for (const [key, value] of elsewhere.content) content.set(key, value)
  await t.throwsAsync(remove(6, 66), { code: 'STALE_SLOT' })
})
