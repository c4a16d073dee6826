/** What a client makes of the answers about locks, from a server that a test plays. */
import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { ClusterError } from '../../network/errors.ts'
import { sessionTimeoutMs } from '../../network/limits.ts'
import { lastLockByte, lockType } from '../../network/locks/ranges.ts'
import { silentLog } from '../../network/log.ts'
import type { Peer } from '../../network/rpc/contract.ts'
import type {
  OperationName,
  ReclaimLocksRequest,
  SetLockReply,
  SetLockRequest,
} from '../../network/wire/operations.ts'
import type { View } from '../../network/wire/view.ts'
import { ClusterClient } from './cluster.ts'

const view: View = {
  cluster: 'test',
  epoch: 1,
  members: [{ id: 's', role: 'server', name: 's', addresses: [], host: '', domain: '', weight: 1 }],
  partitions: [{ replicas: ['s'], inSync: ['s'], primary: 's', epoch: 1 }],
  replicaCount: 1,
}
const membership = {
  partitionCount: 1,
  view,
  connected: true,
  onView: () => {},
  adopt: () => {},
  close: async () => {},
}
const owner = { ino: 16, flock: false, owner: 1n }
const all = { start: 0n, end: lastLockByte, pid: 5 }
const exclusive = { ...all, type: lockType.write }
const unlock = { ...all, type: lockType.unlock }

/** A client of one server that answers as `play` says. */
function setUp() {
  const env = new SimulatedEnv({ seed: 1 })
  const calls: { readonly name: OperationName; readonly body: object }[] = []
  let outcome: SetLockReply['outcome'] = 'done'
  let waited = true
  let lost: number[] = []
  let poll = Promise.withResolvers<object>()
  let dropped: (() => void) | null = null
  const play: { [N in OperationName]?: (body: object) => unknown } = {
    session: () => ({ boot: 'boot', timeoutMs: sessionTimeoutMs, uptimeMs: 0 }),
    setLock: body => ({ outcome: (body as SetLockRequest).type === 2 ? 'done' : outcome }),
    cancelLock: () => ({ waited }),
    reclaimLocks: () => ({ lost }),
    awaitLocks: () => poll.promise,
  }
  const dial = async (): Promise<Peer> => {
    const closed = Promise.withResolvers<ClusterError | undefined>()
    const call = async (name: OperationName, body: object) => {
      calls.push({ name, body })
      const answer = Promise.resolve(play[name]?.(body) ?? {})
      const gone = closed.promise.then(error => Promise.reject(error))
      return { body: await Promise.race([answer, gone]), payload: [] }
    }
    const end = (error?: ClusterError) => closed.resolve(error ?? new ClusterError('CLOSED', ''))
    dropped = () => end()
    const peer = { remote: 's', call, notify: () => {}, closed: closed.promise, abort: end }
    return { ...peer, close: async () => end() } as unknown as Peer
  }
  const client = new ClusterClient({ env, log: silentLog, membership, dial })
  const tell = async (granted: readonly number[], upTo: number) => {
    const { resolve } = poll
    poll = Promise.withResolvers<object>()
    resolve({ granted, upTo })
    await env.advance(300)
  }
  const sent = (name: OperationName) => calls.filter(one => one.name === name).map(one => one.body)
  const answer = (with_: {
    outcome?: SetLockReply['outcome']
    waited?: boolean
    lost?: number[]
  }) => {
    outcome = with_.outcome ?? outcome
    waited = with_.waited ?? waited
    lost = with_.lost ?? lost
  }
  const disconnect = async () => {
    dropped?.()
    await env.advance(300)
  }
  return { env, locks: client.locks, client, tell, sent, answer, disconnect }
}

test('what is locked is told again with each session, and what is unlocked is not', async t => {
  const { env, locks, sent, disconnect, client } = setUp()
  await locks.set(owner, exclusive, null)
  await locks.set({ ...owner, owner: 2n }, exclusive, null)
  await locks.set({ ...owner, owner: 2n }, unlock, null)
  await disconnect()
  await client.query('getattr', 0, { ino: 16 })
  const [told] = sent('reclaimLocks') as ReclaimLocksRequest[]
  const ranges = [[0n, lastLockByte, 1, 5]]
  const view = told?.view ?? 0
  const expected = { owners: [{ ...owner, ranges }], waits: [], view }
  t.deepEqual(told, expected as unknown as ReclaimLocksRequest)
  t.true(view > 0, 'the epoch of the view that it goes by')
  await env.advance(1)
})

test('that a file is mapped is told again with its locks, as long as there are any', async t => {
  const { env, locks, sent, disconnect, client } = setUp()
  await locks.set(owner, { ...exclusive, mapped: true }, null)
  await disconnect()
  await client.query('getattr', 0, { ino: 16 })
  await locks.set(owner, { ...unlock, mapped: true }, null)
  await locks.set(owner, exclusive, null)
  await disconnect()
  await client.query('getattr', 0, { ino: 16 })
  const told = sent('reclaimLocks') as ReclaimLocksRequest[]
  t.deepEqual(
    told.map(({ owners }) => owners[0]?.mapped),
    [true, undefined],
  )
  await env.advance(1)
})

test('a lock that was lost is EIO to its owner until it is given up', async t => {
  const { locks, answer, disconnect, client } = setUp()
  await locks.set(owner, exclusive, null)
  answer({ lost: [0] })
  await disconnect()
  await client.query('getattr', 0, { ino: 16 })
  await t.throwsAsync(locks.set(owner, exclusive, null), { code: 'EIO' })
  await t.throwsAsync(locks.set(owner, unlock, null), { code: 'EIO' })
  await t.throwsAsync(locks.test(owner, { ...all, exclusive: true }), { code: 'EIO' })
  await t.notThrowsAsync(locks.set({ ...owner, owner: 2n }, exclusive, null))
  await locks.release(owner)
  await t.notThrowsAsync(locks.set(owner, exclusive, null))
})

test('a client that was not heard of asks whether it still has its locks', async t => {
  const { env, locks, sent, answer } = setUp()
  await locks.set(owner, exclusive, null)
  await locks.confirm(owner.ino)
  t.is(sent('session').length, 1)
  answer({ lost: [0] })
  // As a process does that was stopped: no timer of it has run, and then all run at once.
  const asked = env.advance(2 * sessionTimeoutMs)
  await asked
  await locks.confirm(owner.ino)
  t.throws(() => locks.register.assertKept(owner), { code: 'EIO' })
})

test('a wait ends when its grant is told', async t => {
  const { env, locks, tell, sent, answer } = setUp()
  answer({ outcome: 'waits' })
  let done = false
  const waiting = locks.set(owner, exclusive, new AbortController().signal).then(() => {
    done = true
  })
  await env.advance(100)
  t.false(done)
  t.is(locks.register.of(owner), undefined)
  await tell([1], 1)
  await waiting
  t.is(locks.register.of(owner)?.ranges.length, 1)
  t.is(sent('awaitLocks').length, 1)
})

test('a wait that is given up is EINTR when it still waited, and locked when it did not', async t => {
  const { env, locks, tell, answer } = setUp()
  answer({ outcome: 'waits' })
  const first = new AbortController()
  const second = new AbortController()
  const interrupted = t.throwsAsync(locks.set(owner, exclusive, first.signal), { code: 'EINTR' })
  const granted = locks.set({ ...owner, owner: 2n }, exclusive, second.signal)
  await env.advance(100)
  first.abort()
  await interrupted
  answer({ waited: false })
  second.abort()
  await env.advance(100)
  await tell([2], 1)
  await t.notThrowsAsync(granted)
  t.is(locks.register.of(owner), undefined)
})

test('a grant that nobody waits for has the server told what there is', async t => {
  const { env, locks, tell, sent, answer } = setUp()
  answer({ outcome: 'waits' })
  const waiting = locks.set(owner, exclusive, new AbortController().signal)
  await env.advance(100)
  await tell([77], 1)
  const [told] = sent('reclaimLocks') as ReclaimLocksRequest[]
  t.like(told, { owners: [], waits: [1] })
  await tell([1], 1)
  await waiting
})

test('a wait is told again in a new session, under its number, and a grant of the old one is ignored', async t => {
  const { env, locks, tell, sent, answer, disconnect } = setUp()
  answer({ outcome: 'waits' })
  const waiting = locks.set(owner, exclusive, new AbortController().signal)
  await env.advance(100)
  await disconnect()
  await env.advance(1_000)
  const waits = (sent('setLock') as SetLockRequest[]).map(({ wait }) => wait)
  t.deepEqual(waits, [1, 1])
  await tell([1], 1)
  await waiting
})

test('a refusal is EAGAIN, and a flock that was to be converted is gone', async t => {
  const { locks, answer } = setUp()
  const flock = { ...owner, flock: true }
  await locks.set(flock, { ...all, type: lockType.read }, null)
  answer({ outcome: 'refused' })
  await t.throwsAsync(locks.set(flock, exclusive, null), { code: 'EAGAIN' })
  t.is(locks.register.of(flock), undefined)
  await t.throwsAsync(locks.set(owner, exclusive, null), { code: 'EAGAIN' })
})

test('a client that closes says that it has nothing left, and one that is idle does, too', async t => {
  const { env, locks, sent, client, disconnect } = setUp()
  await locks.set(owner, exclusive, null)
  await client.close()
  t.like(sent('reclaimLocks'), [{ owners: [], waits: [] }])
  const idle = setUp()
  await idle.locks.set(owner, exclusive, null)
  await idle.locks.set(owner, unlock, null)
  await idle.disconnect()
  t.like(idle.sent('reclaimLocks'), [{ owners: [], waits: [] }])
  await idle.disconnect()
  t.is(idle.sent('reclaimLocks').length, 1)
  await disconnect()
  await env.advance(1)
})
