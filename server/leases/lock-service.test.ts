import test from 'ava'
import { lockPollMs, sessionTimeoutMs } from '../../network/limits.ts'
import { lastLockByte, lockType } from '../../network/locks/ranges.ts'
import type {
  AwaitLocksReply,
  OperationName,
  ReclaimLocksRequest,
  ReplyOf,
  RequestOf,
} from '../../network/wire/operations.ts'
import { lockerKey } from '../metadata/keys.ts'
import { client as mine, TestCluster } from '../testing/cluster.ts'

const theirs = 'd2'.repeat(16)
const ino = 77
const all = { start: 0n, end: lastLockByte }
const owner = { ino, flock: false, owner: 1n }
const nothing: ReclaimLocksRequest = { owners: [], waits: [] }

async function makeWorld() {
  const cluster = new TestCluster({ servers: 1, partitions: 1 })
  await cluster.start()
  const ask = <N extends OperationName>(name: N, body: RequestOf<N>, as = mine) =>
    cluster.ask(name, 0, body, [], as).then(reply => reply.body as ReplyOf<N>)
  const set = (as: string, type: number, wait = 0, range = all) => {
    const known = type === lockType.write ? lockType.write : type === 0 ? 0 : lockType.unlock
    return ask('setLock', { ...owner, ...range, type: known, pid: 5, wait }, as)
  }
  const claim = (type: 0 | 1): ReclaimLocksRequest => ({
    owners: [{ ...owner, ranges: [[all.start, all.end, type, 5]] }],
    waits: [],
  })
  /** As long as it is heard of, a client stays. */
  const stay = async (ms: number, ...clients: string[]) => {
    for (let passed = 0; passed < ms; passed += sessionTimeoutMs / 4) {
      for (const each of clients) cluster.serverOf(0).sessions.heard(each)
      await cluster.env.advance(sessionTimeoutMs / 4)
    }
  }
  const restart = async () => {
    cluster.crash('server0')
    await cluster.startServer('server0')
  }
  return { cluster, ask, set, claim, stay, restart }
}

test('a lock keeps another client out until it is given up, and its pid is nobody else’s business', async t => {
  const { cluster, ask, set } = await makeWorld()
  t.is((await cluster.passing(set(mine, lockType.write))).outcome, 'done')
  t.is((await cluster.passing(set(theirs, lockType.read))).outcome, 'refused')
  const wanted = { ...owner, ...all, type: lockType.read }
  const seen = async (as: string, number: bigint) =>
    (await cluster.passing(ask('testLock', { ...wanted, owner: number }, as))).conflict
  t.deepEqual(await seen(theirs, 1n), { ...all, exclusive: true, pid: 0 })
  t.deepEqual(await seen(mine, 2n), { ...all, exclusive: true, pid: 5 })
  t.is(await seen(mine, 1n), null)
  await cluster.passing(set(mine, lockType.unlock))
  t.is((await cluster.passing(set(theirs, lockType.read))).outcome, 'done')
})

test('a grant is told until it is known to be heard, and an idle call is answered in time', async t => {
  const { cluster, ask, set } = await makeWorld()
  const startMs = cluster.env.clock.monotonicMs()
  const idle = ask('awaitLocks', { told: 0 }, theirs)
  t.deepEqual(await cluster.passing(idle), { granted: [], upTo: 0 })
  t.true(cluster.env.clock.monotonicMs() - startMs >= lockPollMs)
  await cluster.passing(set(mine, lockType.write))
  t.is((await cluster.passing(set(theirs, lockType.write, 9))).outcome, 'waits')
  const first = ask('awaitLocks', { told: 0 }, theirs)
  await cluster.passing(set(mine, lockType.unlock))
  const heard: AwaitLocksReply = { granted: [9], upTo: 1 }
  t.deepEqual(await cluster.passing(first), heard)
  t.deepEqual(await cluster.passing(ask('awaitLocks', { told: 0 }, theirs)), heard)
  t.deepEqual(await cluster.passing(ask('awaitLocks', { told: 1 }, theirs)), {
    granted: [],
    upTo: 1,
  })
})

test('a wait that is cancelled is not granted; a repeat of a wait keeps one place', async t => {
  const { cluster, ask, set } = await makeWorld()
  await cluster.passing(set(mine, lockType.write))
  await cluster.passing(set(theirs, lockType.write, 1))
  t.is((await cluster.passing(set(theirs, lockType.write, 1))).outcome, 'waits')
  t.true((await cluster.passing(ask('cancelLock', { ino, wait: 1 }, theirs))).waited)
  t.false((await cluster.passing(ask('cancelLock', { ino, wait: 1 }, theirs))).waited)
  await cluster.passing(set(mine, lockType.unlock))
  t.is((await cluster.passing(set(mine, lockType.write))).outcome, 'done')
})

test('a grant that its client never took is gone with its next session', async t => {
  const { cluster, ask, set } = await makeWorld()
  await cluster.passing(set(mine, lockType.write))
  await cluster.passing(set(theirs, lockType.write, 1))
  await cluster.passing(set(mine, lockType.unlock))
  t.is((await cluster.passing(set(mine, lockType.write))).outcome, 'refused')
  t.deepEqual(await cluster.passing(ask('reclaimLocks', nothing, theirs)), { lost: [] })
  t.is((await cluster.passing(set(mine, lockType.write))).outcome, 'done')
})

test('the locks of a client that died go with its session, not before', async t => {
  const { cluster, set, claim, ask, stay } = await makeWorld()
  await cluster.passing(set(theirs, lockType.write))
  await cluster.passing(set(mine, lockType.write, 1))
  await cluster.env.advance(sessionTimeoutMs / 2)
  t.deepEqual(cluster.serverOf(0).locks.table.waitsOf(mine), [1])
  await stay(sessionTimeoutMs, mine)
  t.deepEqual(cluster.serverOf(0).locks.table.waitsOf(mine), [])
  t.is(cluster.contents.get('server0')!.has(lockerKey(0, theirs)), false)
  // It comes back all the same, and learns that it has lost them.
  t.deepEqual(await cluster.passing(ask('reclaimLocks', claim(1), theirs)), { lost: [0] })
  t.is((await cluster.passing(set(theirs, lockType.read))).outcome, 'refused')
})

test('of a client that is gone nothing is kept, though it was granted a lock as it went', async t => {
  const { cluster, set } = await makeWorld()
  await cluster.passing(set(theirs, lockType.write))
  await cluster.passing(set(mine, lockType.write, 1))
  const { locks } = cluster.serverOf(0)
  locks.expired(mine)
  const released = set(theirs, lockType.unlock)
  t.deepEqual(locks.table.waitsOf(mine), [])
  t.is(locks.mailboxCount, 1)
  await cluster.passing(released)
  t.is((await cluster.passing(set(theirs, lockType.write))).outcome, 'done')
  t.is(locks.mailboxCount, 0)
})

test('after a restart locks are kept for who had them: others wait until all of those are back', async t => {
  const { cluster, ask, set, claim, restart } = await makeWorld()
  await cluster.passing(set(mine, lockType.write))
  await restart()
  let granted = false
  const wanting = set(theirs, lockType.write, 3).then(reply => {
    t.is(reply.outcome, 'waits')
    return ask('awaitLocks', { told: 0 }, theirs)
  })
  const trying = set(theirs, lockType.read).finally(() => {
    granted = true
  })
  await cluster.env.advance(1_000)
  t.false(granted)
  t.deepEqual(await cluster.passing(ask('reclaimLocks', claim(1))), { lost: [] })
  t.is((await cluster.passing(trying)).outcome, 'refused')
  await cluster.passing(set(mine, lockType.unlock))
  t.deepEqual((await cluster.passing(wanting)).granted, [3])
})

test('a restart holds up nobody where nothing was locked', async t => {
  const { cluster, set, restart } = await makeWorld()
  await restart()
  const startMs = cluster.env.clock.monotonicMs()
  t.is((await cluster.passing(set(theirs, lockType.write))).outcome, 'done')
  t.true(cluster.env.clock.monotonicMs() - startMs < 1_000)
})

test('who does not come back in time after a restart has lost its locks, also after another one', async t => {
  const { cluster, ask, set, claim, stay, restart } = await makeWorld()
  await cluster.passing(set(mine, lockType.write))
  await restart()
  const taken = set(theirs, lockType.write)
  t.is((await cluster.passing(taken)).outcome, 'done')
  await restart()
  t.deepEqual(await cluster.passing(ask('reclaimLocks', claim(1), mine)), { lost: [0] })
  t.deepEqual(await cluster.passing(ask('reclaimLocks', claim(1), theirs)), { lost: [] })
  await stay(sessionTimeoutMs, mine, theirs)
  t.is((await cluster.passing(set(mine, lockType.read))).outcome, 'refused')
})

test('a loss of power brings back no lock that others were given since', async t => {
  const { cluster, ask, set, claim, restart } = await makeWorld()
  await cluster.passing(set(mine, lockType.write))
  await cluster.passing(cluster.serverOf(0).metadata.sync())
  await restart()
  t.is((await cluster.passing(set(theirs, lockType.write))).outcome, 'done')
  cluster.losePower(['server0'])
  await cluster.startServer('server0')
  t.deepEqual(await cluster.passing(ask('reclaimLocks', claim(1), mine)), { lost: [0] })
})

test('what makes no sense is refused, and harms nothing', async t => {
  const { cluster, ask } = await makeWorld()
  const sound = { ...owner, ...all, type: lockType.write, pid: 1, wait: 0 }
  const wrong: object[] = [
    { ...sound, start: 5n, end: 4n },
    { ...sound, start: -1n },
    { ...sound, end: 2n ** 63n },
    { ...sound, start: 1 },
    { ...sound, type: 3 },
    { ...sound, owner: 'me' },
    { ...sound, ino: -1 },
    { ...sound, flock: 1 },
    { ...sound, wait: 0.5 },
  ]
  for (const body of wrong) {
    const asked = ask('setLock', body as RequestOf<'setLock'>)
    await t.throwsAsync(
      cluster.passing(asked),
      { code: 'MALFORMED' },
      JSON.stringify(Object.keys(body)),
    )
  }
  for (const ranges of [[], [[1n]], [[5n, 4n, 1, 1]], null]) {
    const body = { owners: [{ ...owner, ranges }], waits: [] }
    const asked = ask('reclaimLocks', body as unknown as ReclaimLocksRequest)
    if (Array.isArray(ranges) && ranges.length === 0) await cluster.passing(asked)
    else await t.throwsAsync(cluster.passing(asked), { code: 'MALFORMED' })
  }
  t.is(cluster.serverOf(0).locks.table.size, 0)
})

test('nobody has to wait for a client that said it has nothing left', async t => {
  const { cluster, ask, set, restart } = await makeWorld()
  await cluster.passing(set(mine, lockType.write))
  await cluster.passing(ask('reclaimLocks', nothing))
  await cluster.passing(cluster.serverOf(0).metadata.settled())
  t.false(cluster.contents.get('server0')!.has(lockerKey(0, mine)))
  await restart()
  const startMs = cluster.env.clock.monotonicMs()
  t.is((await cluster.passing(set(theirs, lockType.write))).outcome, 'done')
  t.true(cluster.env.clock.monotonicMs() - startMs < 1_000)
})

test('what a client tells again to be mapped is not locked exclusively by another, on any byte', async t => {
  const { cluster, ask, set, claim } = await makeWorld()
  const start = { start: 0n, end: 0n }
  await cluster.passing(set(mine, lockType.write, 0, start))
  const [owned] = claim(1).owners
  const ranges = [[0n, 0n, 1, 5]] as const
  const owners = owned === undefined ? [] : [{ ...owned, ranges, mapped: true }]
  t.deepEqual(await cluster.passing(ask('reclaimLocks', { owners, waits: [] })), { lost: [] })
  const outcome = async () =>
    (await cluster.passing(set(theirs, lockType.write, 0, { start: 9n, end: 9n }))).outcome
  t.is(await outcome(), 'refused')
  await cluster.passing(set(mine, lockType.unlock))
  t.is(await outcome(), 'done')
})
