import test from 'ava'
import { type Attributes, fileType, statBlocksOf } from './attributes.ts'

function blocksOf(more: Partial<Attributes>): number {
  return statBlocksOf({
    mode: fileType.regular,
    size: 0,
    reach: 0,
    allocated: 0,
    ...more,
  } as Attributes)
}

test('the blocks of a file are what is allocated, in units of 512 bytes', t => {
  t.is(blocksOf({}), 0)
  t.is(blocksOf({ size: 10, allocated: 10 }), 1)
  t.is(blocksOf({ size: 10_000, reach: 1, allocated: 12_288 }), 24)
  t.is(blocksOf({ allocated: 4096, reach: 1 }), 8, 'allocated behind the end')
})

test('only a file that surely is one hole shows no blocks', t => {
  t.is(blocksOf({ size: 2 ** 40 }), 0, 'nothing was ever written')
  t.is(blocksOf({ size: 2 ** 40, reach: 1 }), 1, 'what its blocks take may not be known')
})
