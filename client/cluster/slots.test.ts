import test from 'ava'
import { Slots } from './slots.ts'

test('when all slots are taken, callers wait in turn, and not without end', async t => {
  const slots = new Slots(2, 2)
  t.is(slots.take(), 0)
  t.is(slots.take(), 1)
  const third = slots.take()
  const fourth = slots.take()
  t.throws(() => slots.take(), { code: 'EAGAIN' })
  slots.give(1)
  t.is(await third, 1)
  t.is(slots.sequenceOf(1), 2)
  slots.give(0)
  t.is(await fourth, 0)
  slots.give(0)
  slots.give(1)
  t.is(slots.take(), 0)
  t.is(slots.sequenceOf(0), 3)
})

test('a slot that nobody took cannot be given back', t => {
  t.throws(() => new Slots(2).give(1), { message: /not taken/ })
})
