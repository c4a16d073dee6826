import test from 'ava'
import { behindNumbers } from '../../network/limits.ts'
import { makeIno } from '../../network/wire/ids.ts'
import { ChangesBehind } from './changes-behind.ts'

const directory = makeIno(3, 16)
const name = Buffer.from('f')

function setUp() {
  const hurried: number[] = []
  const changes = new ChangesBehind(partition => void hurried.push(partition))
  const begin = (ino: number, place: { directory: number; name: Buffer } | null) => {
    const ended = Promise.withResolvers<void>()
    const change = {
      ino,
      attributes: null,
      place,
      ended: ended.promise,
      madeChange: null,
      mayBeKept: false,
    }
    changes.begin(change)
    const end = () => {
      changes.end(change)
      ended.resolve()
    }
    return { change, end }
  }
  return { changes, hurried, begin }
}

async function isOver(promise: Promise<void> | null): Promise<boolean> {
  const pending = Symbol('pending')
  await new Promise(setImmediate)
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending
}

test('who waits for a name, an inode, a directory or a partition waits for what concerns it, and has it hurried', async t => {
  const { changes, hurried, begin } = setUp()
  const ino = makeIno(3, 17)
  t.is(changes.settled(ino), null)
  const { change, end } = begin(ino, { directory, name })
  t.is(changes.named(directory, name), change)
  t.is(changes.named(directory, Buffer.from('g')), undefined)
  t.is(changes.ofInode(ino), change)
  t.true(changes.concern(directory) && changes.concern(ino) && changes.isIn(directory))
  t.is(changes.settled(makeIno(3, 18)), null)
  t.deepEqual(hurried, [])
  const waits = [ino, directory].map(each => changes.settled(each))
  waits.push(changes.settledIn([3]), changes.settledAll())
  t.deepEqual(hurried, [3, 3, 3, 3])
  t.true(await isOver(changes.settledIn([4])))
  for (const wait of waits) t.false(await isOver(wait))
  end()
  for (const wait of waits) t.true(await isOver(wait))
  t.true(changes.isEmpty)
  t.false(changes.concern(directory))
})

test('of an inode that is made and written the last change counts', t => {
  const { changes, begin } = setUp()
  const ino = makeIno(3, 17)
  const made = begin(ino, { directory, name })
  const written = begin(ino, null)
  t.is(changes.ofInode(ino), written.change)
  made.end()
  t.is(changes.ofInode(ino), written.change)
  t.false(changes.isIn(directory))
  written.end()
  t.is(changes.ofInode(ino), undefined)
})

test('each number is given out once', t => {
  const { changes } = setUp()
  t.is(changes.numbersLeft(3), 0)
  changes.gave(3, { first: makeIno(3, 100), count: 2 }, 0)
  changes.gave(3, { first: makeIno(3, 200), count: 1 }, 0)
  t.is(changes.numbersLeft(3), 3)
  const taken = [1, 2, 3].map(() => changes.takeNumber(3))
  t.deepEqual(taken, [makeIno(3, 100), makeIno(3, 101), makeIno(3, 200)])
  t.is(changes.numbersLeft(3), 0)
})

test('a failure is told once', t => {
  const { changes } = setUp()
  t.is(changes.takeFailure(directory), undefined)
  const error = new Error('it failed')
  changes.failed(directory, error)
  t.is(changes.takeFailure(directory), error)
  t.is(changes.takeFailure(directory), undefined)
})

test('only changes that come one after the other are worth a lease', t => {
  const { changes } = setUp()
  t.false(changes.noteChange(3, 0))
  t.false(changes.noteChange(4, 10))
  t.true(changes.noteChange(3, 500))
  t.false(changes.noteChange(3, 5_000))
})

test('numbers that come though there are enough are not kept', t => {
  const { changes } = setUp()
  for (let time = 0; time < 100; time++) {
    changes.gave(3, { first: makeIno(3, 1_000 * (time + 1)), count: behindNumbers }, 0)
  }
  t.true(changes.numbersLeft(3) < 2 * behindNumbers)
})

test('a change counts on from what its server has never counted', t => {
  const { changes } = setUp()
  const ino = makeIno(3, 17)
  t.is(changes.changeAfter({ ino, change: 4 }), 5)
  changes.gave(3, { first: makeIno(3, 100), count: 2 }, 1_000)
  t.is(changes.changeAfter({ ino, change: 4 }), 1_000)
  t.is(changes.changeAfter({ ino, change: 1_000 }), 1_001)
  t.is(changes.changeAfter({ ino: makeIno(4, 17), change: 4 }), 5)
})

test('what is changed in the usual way waits for what is on its way, and holds up what comes next', async t => {
  const { changes, begin } = setUp()
  const [ino, other] = [makeIno(3, 17), makeIno(3, 18)]
  const { end } = begin(ino, { directory, name })
  const steps: string[] = []
  const finish = Promise.withResolvers<void>()
  const run = (title: string, inos: readonly number[] | null) =>
    changes.alone(inos, async () => {
      steps.push(title)
      await finish.promise
    })
  const runs = [
    run('of another', [other]),
    run('of the directory', [directory]),
    run('of all', null),
  ]
  t.true(await isOver(Promise.resolve()))
  t.deepEqual(steps, ['of another'])
  t.true(changes.isHeld(directory))
  end()
  t.true(await isOver(Promise.resolve()))
  t.deepEqual(steps.sort(), ['of all', 'of another', 'of the directory'])
  t.true(changes.isHeld(ino), 'as all are')
  finish.resolve()
  await Promise.all(runs)
  t.false([ino, other, directory].some(each => changes.isHeld(each)))
})
