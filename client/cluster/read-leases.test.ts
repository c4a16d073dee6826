import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { PosixError } from '../../network/errors.ts'
import {
  kernelKeepsMs,
  kernelSpareMs,
  leaseAnswerMs,
  operationDeadlineMs,
  readLeaseMs,
} from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import type { Attributes } from '../../network/wire/attributes.ts'
import type { LeaseTerm } from './lease-term.ts'
import { type Asked, nameKey, ReadLeases, type Touched } from './read-leases.ts'
import { touchedByRequest } from './touched.ts'

const name = Buffer.from('n')
const slots = { slot: 0, sequence: 1 }

function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const term: LeaseTerm = {
    generation: 1,
    untilMs: Infinity,
    isHeard: true,
    isAlone: true,
    usedMs: 0,
  }
  const at = { term: term as LeaseTerm | null, viewEpoch: 1 }
  const leases = new ReadLeases({
    clock: env.clock,
    termAt: () => at.term,
    viewEpoch: () => at.viewEpoch,
  })
  const asking = () => leases.asking(0)
  const keep = (ino: number, asked = asking()) =>
    leases.keepAttributes({ ino, change: 1, mode: 0o100644 } as Attributes, asked, readLeaseMs)
  const keepName = (asked = asking()) => leases.keepName(1, name, 7, asked, readLeaseMs)
  return { env, at, term, leases, asking, keep, keepName }
}

test('a lease counts from when it was asked for, and then it is over', async t => {
  const { env, leases, asking, keep, keepName } = setUp()
  const asked = asking()
  await env.advance(10)
  keep(7, asked)
  keepName(asked)
  await env.advance(readLeaseMs - 11)
  t.is(leases.attributes(7)?.ino, 7)
  t.is(leases.named(1, name), 7)
  t.is(leases.attributes(8), undefined)
  await env.advance(1)
  t.is(leases.attributes(7), undefined)
  t.is(leases.named(1, name), undefined)
  t.is(leases.lastNamed(1, name), 7)
  keep(7, asked)
  t.is(leases.attributes(7), undefined)
})

test('what was leased in a term is over with it', async t => {
  const { env, at, term, leases, asking, keep, keepName } = setUp()
  keep(7)
  keepName()
  const asked = asking()
  term.untilMs = leases.nowMs() + 10
  await env.advance(9)
  t.is(leases.attributes(7)?.ino, 7)
  t.is(leases.named(1, name), 7)
  await env.advance(1)
  t.is(leases.attributes(7), undefined)
  t.is(leases.named(1, name), undefined)
  at.term = { generation: 2, untilMs: Infinity, isHeard: true, isAlone: true, usedMs: 0 }
  keep(8, asked)
  t.is(leases.attributes(8), undefined, 'it was asked for in the term before')
  keep(8)
  t.is(leases.attributes(8)?.ino, 8)
  at.term = null
  keep(9)
  t.is(leases.attributes(9), undefined, 'without a term')
})

test('what was asked for under another view is not kept: another server may have answered', t => {
  const { at, leases, asking, keep } = setUp()
  const asked = asking()
  at.viewEpoch++
  keep(7, asked)
  t.is(leases.attributes(7), undefined)
})

test('what was asked for too long ago is not kept: nobody remembers what changed since', async t => {
  const { env, leases, asking, keep } = setUp()
  const asked = asking()
  await env.advance(leaseAnswerMs + 1)
  keep(7, asked)
  t.is(leases.attributes(7), undefined)
})

test('what is called back is said no more, also where it was asked for before and is answered later', async t => {
  const { env, leases, asking, keep, keepName } = setUp()
  const hash = entryHash(name)
  const heard: unknown[] = []
  const told = Promise.withResolvers<void>()
  const stop = leases.onRecall(async recalled => {
    heard.push(recalled)
    await told.promise
  })
  keep(7)
  keep(8)
  keepName()
  const asked = asking()
  const recalled = { inodes: [7], names: [{ parent: 1, hash }] }
  let isDone = false
  const recall = leases.recall(recalled).then(() => {
    isDone = true
  })
  t.is(leases.attributes(7), undefined)
  t.is(leases.named(1, name), undefined)
  t.is(leases.lastNamed(1, name), 7)
  t.is(leases.attributes(8)?.ino, 8)
  await env.advance(1)
  t.false(isDone, 'the kernel goes by it')
  t.deepEqual(heard, [recalled])
  keep(7, asked)
  keepName(asked)
  t.is(leases.attributes(7), undefined)
  t.is(leases.named(1, name), undefined)
  told.resolve()
  await recall
  keep(7)
  keepName()
  t.is(leases.attributes(7)?.ino, 7)
  t.is(leases.named(1, name), 7)
  stop()
  await leases.recall(recalled)
  t.is(heard.length, 1)
})

test('what a change is answered with is not kept when it was called back meanwhile', async t => {
  for (const isAnswered of [false, true]) {
    const { env, leases, asking } = setUp()
    const end = Promise.withResolvers<void>()
    const asked = asking()
    const change = leases.changing([7], () => end.promise)
    await env.advance(1)
    if (isAnswered) {
      end.resolve()
      await change
    }
    await leases.recall({ inodes: [7], names: [] })
    end.resolve()
    await change
    leases.keepChanged({ ino: 7 } as Attributes, asked, readLeaseMs)
    t.is(leases.attributes(7), undefined)
    await env.advance(1)
    const again = asking()
    await leases.changing([7], () => env.advance(1))
    leases.keepChanged({ ino: 7 } as Attributes, again, readLeaseMs)
    t.is(leases.attributes(7)?.ino, 7)
  }
})

test('of two names with one hash each is asked for', t => {
  const { leases, keepName } = setUp()
  keepName()
  t.is(leases.named(1, name), 7)
  t.is(leases.named(1, Buffer.from('m')), undefined)
})

test('who has changed an inode may keep what it is told of it, others not before a while', async t => {
  const { env, leases } = setUp()
  const attributes = { ino: 7, change: 1 } as Attributes
  const asked = leases.asking(0)
  await leases.changing([7], () => env.advance(1))
  t.is(leases.kernelMsOfAttributes(attributes, true), 0, 'it is not leased')
  leases.keepChanged(attributes, asked, readLeaseMs)
  t.is(leases.kernelMsOfAttributes(attributes, true), kernelKeepsMs)
  t.is(leases.kernelMsOfAttributes(attributes), 0)
  t.is(leases.kernelMsOfAttributes({ ...attributes, change: 2 }, true), 0)
})

test('a listing moves the access time alone: what is told after it may be kept, what was asked for before it not', async t => {
  const { env, leases } = setUp()
  const before = { ino: 7, change: 1, atimeNs: 1n } as Attributes
  const after = { ...before, atimeNs: 2n }
  const early = leases.asking(0)
  await leases.changing([7], () => env.advance(1), true)
  leases.keepAttributes(before, early, readLeaseMs)
  t.is(leases.attributes(7), undefined)
  await env.advance(1)
  leases.keepAttributes(after, leases.asking(0), readLeaseMs)
  t.is(leases.kernelMsOfAttributes(after), kernelKeepsMs)
  t.is(leases.kernelMsOfAttributes(before), 0)
  await leases.changing([7], () => env.advance(1))
  await leases.changing([7], () => env.advance(1), true)
  await env.advance(1)
  leases.keepAttributes(after, leases.asking(0), readLeaseMs)
  t.is(leases.kernelMsOfAttributes(after), 0, 'there was another change')
})

test('the kernel may keep what is leased, as it is leased, and for less long than that holds', async t => {
  const { env, term, leases, keep, keepName } = setUp()
  keep(7)
  keepName()
  const attributes = { ino: 7, change: 1 } as Attributes
  const kernelMs = () => [
    leases.kernelMsOfAttributes(attributes),
    leases.kernelMsOfName(1, name, 7),
  ]
  t.deepEqual(kernelMs(), [kernelKeepsMs, kernelKeepsMs])
  t.is(leases.kernelMsOfAttributes({ ...attributes, change: 2 }), 0)
  t.is(leases.kernelMsOfAttributes({ ...attributes, ino: 8 }), 0)
  t.is(leases.kernelMsOfName(1, name, 8), 0)
  term.isAlone = false
  t.deepEqual(kernelMs(), [kernelKeepsMs, 0], 'who calls a name back would wait')
  term.isAlone = true
  term.untilMs = leases.nowMs() + kernelSpareMs + 100
  t.deepEqual(kernelMs(), [100, 100])
  await env.advance(100)
  t.deepEqual(kernelMs(), [0, 0])
})

test('a reply without a lease is not kept, but for what it said last of a name', t => {
  const { leases, asking } = setUp()
  leases.keepAttributes({ ino: 7 } as Attributes, asking(), 0)
  t.is(leases.attributes(7), undefined)
  leases.keepName(1, name, 7, asking(), 0)
  t.is(leases.named(1, name), undefined)
  t.is(leases.lastNamed(1, name), 7)
})

test('what a change touches is forgotten before it leaves, and kept only when asked for after its end', async t => {
  const { env, leases, asking, keep, keepName } = setUp()
  keep(7)
  keep(8)
  keepName()
  const end = Promise.withResolvers<void>()
  const asked = asking()
  const change = leases.changing([7, nameKey(1, name)], () => end.promise)
  t.is(leases.attributes(7), undefined)
  t.is(leases.named(1, name), undefined)
  t.is(leases.attributes(8)?.ino, 8)
  keep(7, asked)
  keepName(asked)
  t.is(leases.attributes(7), undefined)
  await env.advance(1)
  end.resolve()
  await change
  keep(7, asked)
  t.is(leases.attributes(7), undefined, 'it was asked for before the change was done')
  await env.advance(1)
  keep(7)
  keepName()
  t.is(leases.attributes(7)?.ino, 7)
  t.is(leases.named(1, name), 7)
})

test('one of two changes that ends leaves nothing to be kept before the other has', async t => {
  const { env, leases, keep } = setUp()
  const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const changes = ends.map(({ promise }) => leases.changing([7], () => promise))
  ends[0]!.resolve()
  await changes[0]
  await env.advance(1)
  keep(7)
  t.is(leases.attributes(7), undefined)
  ends[1]!.reject(new PosixError('EPERM'))
  await t.throwsAsync(changes[1]!, { instanceOf: PosixError })
  await env.advance(1)
  keep(7)
  t.is(leases.attributes(7)?.ino, 7)
})

test('what a change is answered with is kept, when no other one ran beside it', async t => {
  const { env, leases, asking } = setUp()
  const change = (end: Promise<void> = Promise.resolve()) => leases.changing([7], () => end)
  const keep = (asked: Asked, leaseMs = readLeaseMs) =>
    leases.keepChanged({ ino: 7 } as Attributes, asked, leaseMs)
  const first = asking()
  await change()
  keep(first)
  t.is(leases.attributes(7)?.ino, 7)
  await env.advance(1)
  const second = asking()
  await change()
  t.is(leases.attributes(7), undefined)
  keep(second, 0)
  t.is(leases.attributes(7), undefined, 'without a lease')
  keep(second)
  t.is(leases.attributes(7)?.ino, 7)

  await env.advance(1)
  const beside = Promise.withResolvers<void>()
  const longer = change(beside.promise)
  await env.advance(1)
  const third = asking()
  await change()
  keep(third)
  t.is(leases.attributes(7), undefined, 'another one runs')
  await env.advance(1)
  beside.resolve()
  await longer
  keep(third)
  t.is(leases.attributes(7), undefined, 'another one ran')

  await env.advance(1)
  const fourth = asking()
  await change(env.advance(1))
  await change(env.advance(1))
  keep(fourth)
  t.is(leases.attributes(7), undefined, 'another one followed')
})

test('a change of which nobody knows whether it was done may be done yet', async t => {
  const { env, leases, keep } = setUp()
  const lost = leases.changing([7], () => Promise.reject(new PosixError('EIO', 'no answer')))
  await t.throwsAsync(lost, { instanceOf: PosixError })
  await env.advance(operationDeadlineMs)
  keep(7)
  t.is(leases.attributes(7), undefined)
  await env.advance(1)
  keep(7)
  t.is(leases.attributes(7)?.ino, 7)
})

test('while something changes of which nobody knows what it touches, nothing is said without asking', async t => {
  const { env, leases, keep, keepName } = setUp()
  keep(7)
  const end = Promise.withResolvers<void>()
  const change = leases.changing('all', () => end.promise)
  keep(8)
  keepName()
  t.is(leases.attributes(7), undefined)
  t.is(leases.attributes(8), undefined)
  end.resolve()
  await change
  t.is(leases.attributes(8), undefined)
  t.is(leases.named(1, name), undefined)
  await env.advance(1)
  keep(8)
  t.is(leases.attributes(8)?.ino, 8)
})

test('changes of long ago take no memory', async t => {
  const { env, leases } = setUp()
  for (let round = 0; round < 5; round++) {
    for (let ino = 0; ino < 2_000; ino++) {
      await leases.changing([round * 2_000 + ino], () => Promise.resolve())
    }
    await env.advance(2 * readLeaseMs)
  }
  t.true(leases.changeCount < 6_000, `${leases.changeCount}`)
})

const entry = nameKey(1, name)
const newEntry = nameKey(2, name)
const cases: readonly (readonly [string, object, Touched | null])[] = [
  ['getattr', { ino: 7 }, null],
  ['lookup', { parent: 1, name }, null],
  ['setattr', { ino: 7, ...slots }, [7]],
  ['open', { ino: 7, truncate: false, wantData: true, ...slots }, null],
  ['open', { ino: 7, truncate: true, wantData: false, ...slots }, [7]],
  ['readdir', { ino: 7, cookie: 0, limitBytes: 1 }, [7]],
  ['readdir', { ino: 7, cookie: 0, limitBytes: 1, quiet: true }, null],
  ['readdir', { ino: 7, cookie: 9, limitBytes: 1 }, null],
  ['readdirplus', { ino: 7, cookie: 0, limitBytes: 1 }, [7]],
  ['readdirplus', { ino: 7, cookie: 9, limitBytes: 1 }, null],
  ['create', { parent: 1, name, ...slots }, [1, entry]],
  ['link', { parent: 1, name, ino: 7, ...slots }, [1, entry, 7]],
  ['unlink', { parent: 1, name, known: 7, ...slots }, [1, entry, 7]],
  [
    'rename',
    { parent: 1, name, newParent: 2, newName: name, flags: 0, known: 7, knownNew: 8, ...slots },
    [1, entry, 7, 2, newEntry, 8],
  ],
  ['examine', { subject: 7 }, 'all'],
]

for (const [operation, request, touched] of cases) {
  test(`${operation} of ${JSON.stringify(request)} touches ${JSON.stringify(touched)}`, t => {
    t.deepEqual(touchedByRequest(operation as never, request), touched)
  })
}
