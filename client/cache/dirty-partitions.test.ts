import test from 'ava'
import { makeIno } from '../../network/wire/ids.ts'
import { type BootOf, DirtyPartitions } from './dirty-partitions.ts'

const [first, second] = [{ id: 'first' }, { id: 'second' }]
const [inFirst, inSecond] = [() => [first.id], () => [second.id]]

/** An fsync, of which all partitions are under that boot. */
function fsync(dirty: DirtyPartitions, ino: number, boot: BootOf): boolean {
  return dirty.settled(ino, dirty.visit(ino), boot)
}

test('a partition marked during a sync is visited by the next one', t => {
  const dirty = new DirtyPartitions()
  const ino = makeIno(3, 20)
  dirty.mark(ino, 3, first)
  dirty.mark(ino, 7, first)
  const visit = dirty.visit(ino)
  t.deepEqual([...visit.partitions], [3, 7])
  dirty.mark(ino, 7, first)
  t.false(dirty.settled(ino, visit, inFirst))
  t.deepEqual([...dirty.visit(ino).partitions], [3, 7])
  t.false(fsync(dirty, ino, inFirst))
  t.deepEqual([...dirty.visit(ino).partitions], [3])
})

test('when too many inodes are dirty, the oldest is visited by everybody', t => {
  const dirty = new DirtyPartitions(1)
  dirty.mark(makeIno(0, 20), 5, first)
  dirty.mark(makeIno(0, 21), 6, first)
  t.deepEqual([...dirty.visit(makeIno(0, 22)).partitions], [0, 5])
  t.false(fsync(dirty, makeIno(0, 22), inFirst))
  t.deepEqual([...dirty.visit(makeIno(0, 22)).partitions], [0])
})

test('what was marked under another boot is lost, at home and elsewhere, and told once', t => {
  for (const partition of [3, 7]) {
    const dirty = new DirtyPartitions()
    const ino = makeIno(3, 20)
    dirty.mark(ino, partition, first)
    t.false(fsync(dirty, makeIno(3, 21), inSecond), 'not of another inode')
    t.true(fsync(dirty, ino, inSecond))
    t.false(fsync(dirty, ino, inSecond))
    dirty.mark(ino, partition, second)
    t.false(fsync(dirty, ino, inSecond))
  }
})

test('a change after the loss does not hide it', t => {
  const dirty = new DirtyPartitions()
  const ino = makeIno(3, 20)
  dirty.mark(ino, 3, first)
  dirty.mark(ino, 3, second)
  t.true(fsync(dirty, ino, inSecond))
  t.false(fsync(dirty, ino, inSecond))
})

test('what was synced under the boot that ended is not lost', t => {
  const dirty = new DirtyPartitions()
  const ino = makeIno(3, 20)
  dirty.mark(ino, 7, first)
  t.false(fsync(dirty, ino, inFirst))
  dirty.mark(ino, 7, second)
  t.false(fsync(dirty, ino, inSecond))
})

test('a loss that a change overtakes while it is looked for is told', t => {
  const dirty = new DirtyPartitions()
  const ino = makeIno(3, 20)
  dirty.mark(ino, 7, first)
  const visit = dirty.visit(ino)
  dirty.mark(ino, 7, second)
  t.true(dirty.settled(ino, visit, inSecond))
  t.true(dirty.visit(ino).partitions.has(7), 'the change is not synced yet')
  t.false(fsync(dirty, ino, inSecond))
})

test('a boot that was not known at the mark is the one that is learned next', t => {
  const dirty = new DirtyPartitions()
  const ino = makeIno(3, 20)
  const boot = { id: '' }
  dirty.mark(ino, 7, boot)
  t.false(fsync(dirty, ino, inFirst))
  dirty.mark(ino, 7, boot)
  boot.id = 'first'
  t.true(fsync(dirty, ino, inSecond))
})

test('whose record was dropped hears of the loss, whoever it was, and each but once', t => {
  const dirty = new DirtyPartitions(1)
  const [a, b, elsewhere] = [makeIno(3, 20), makeIno(3, 21), makeIno(4, 20)]
  dirty.mark(a, 3, first)
  dirty.mark(b, 3, first)
  t.false(fsync(dirty, elsewhere, p => [p === 4 ? 'first' : 'second']))
  t.true(fsync(dirty, b, inSecond))
  t.true(fsync(dirty, a, inSecond))
  t.false(fsync(dirty, a, inSecond))
})

test('whose record of other partitions was dropped may be any inode, but none made since', t => {
  const dirty = new DirtyPartitions(2)
  const [a, b, c] = [makeIno(3, 20), makeIno(4, 20), makeIno(5, 20)]
  dirty.mark(a, 7, first)
  dirty.mark(b, 4, second)
  dirty.mark(c, 5, second)
  t.true(fsync(dirty, c, inSecond))
  t.true(fsync(dirty, a, inSecond))
  dirty.markNew(makeIno(4, 30), 4, second)
  t.false(fsync(dirty, makeIno(4, 30), inSecond))
})

test('records that were dropped and synced in time lose nothing', t => {
  const dirty = new DirtyPartitions(1)
  const [a, b] = [makeIno(3, 20), makeIno(3, 21)]
  dirty.mark(a, 3, first)
  dirty.mark(b, 3, first)
  t.false(fsync(dirty, b, inFirst))
  t.false(fsync(dirty, a, inSecond))
})

test('a loss is known without a sync where the boot is', t => {
  const dirty = new DirtyPartitions()
  const ino = makeIno(3, 20)
  dirty.mark(ino, 7, first)
  t.false(dirty.takeKnownLoss(ino, () => null))
  t.false(dirty.takeKnownLoss(ino, inFirst))
  t.true(dirty.takeKnownLoss(ino, inSecond))
  t.false(fsync(dirty, ino, inSecond))
})
