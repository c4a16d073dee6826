import test from 'ava'
import fc from 'fast-check'
import {
  changed,
  conflicts,
  covers,
  type HeldRange,
  lastLockByte,
  lockType,
  type RangeChange,
} from './ranges.ts'

const bytes = 24

const anyChange: fc.Arbitrary<RangeChange> = fc
  .tuple(fc.integer({ min: 0, max: bytes - 1 }), fc.integer({ min: 0, max: bytes - 1 }))
  .chain(([one, other]) =>
    fc.record({
      start: fc.constant(BigInt(Math.min(one, other))),
      end: fc.constant(BigInt(Math.max(one, other))),
      type: fc.constantFrom(lockType.read, lockType.write, lockType.unlock),
      pid: fc.constant(1),
    }),
  )

/** Byte for byte: r, w or a dot. */
function picture(held: readonly HeldRange[]): string {
  let text = ''
  for (let at = 0n; at < BigInt(bytes); at++) {
    const range = held.find(({ start, end }) => start <= at && at <= end)
    text += range === undefined ? '.' : range.exclusive ? 'w' : 'r'
  }
  return text
}

test('ranges say the same as a picture of each byte, sorted and as few as can be', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 30 }), changes => {
        let held: readonly HeldRange[] = []
        const model: string[] = [...'.'.repeat(bytes)]
        for (const change of changes) {
          held = changed(held, change)
          for (let at = Number(change.start); at <= Number(change.end); at++) {
            model[at] = 'rw.'[change.type]!
          }
          const text = model.join('')
          if (picture(held) !== text) return false
          const runs = text.match(/r+|w+/g)?.length ?? 0
          if (runs !== held.length) return false
        }
        return true
      }),
    ),
  )
})

test('what covers a range is what holds each byte of it, as exclusively', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 12 }), anyChange, (changes, wanted) => {
        const held = changes.reduce(changed, [])
        const exclusive = wanted.type === lockType.write
        const part = picture(held).slice(Number(wanted.start), Number(wanted.end) + 1)
        const expected = exclusive ? /^w+$/.test(part) : /^[rw]+$/.test(part)
        return covers(held, { ...wanted, exclusive }) === expected
      }),
    ),
  )
})

test('readers share, a writer shares with nobody, and what lies apart never meets', t => {
  const range = (start: bigint, end: bigint, exclusive: boolean) => ({
    start,
    end,
    exclusive,
    pid: 1,
  })
  t.false(conflicts(range(0n, 9n, false), range(5n, 6n, false)))
  t.true(conflicts(range(0n, 9n, true), range(9n, 9n, false)))
  t.true(conflicts(range(0n, lastLockByte, false), range(2n ** 62n, 2n ** 62n, true)))
  t.false(conflicts(range(0n, 9n, true), range(10n, lastLockByte, true)))
})
