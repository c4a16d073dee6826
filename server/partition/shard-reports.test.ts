/** A shard's side of its directory's totals, call by call. */
import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import type { Handler, Incoming } from '../../network/rpc/contract.ts'
import { makeIno } from '../../network/wire/ids.ts'
import type { ShardChangedReply, ShardChangedRequest } from '../../network/wire/operations.ts'
import { encodeHolding } from '../metadata/holding.ts'
import { holdingKey } from '../metadata/keys.ts'
import type { Peers } from '../peers.ts'
import { emptyHolding } from '../transactions/shard-legs.ts'
import { ShardReports } from './shard-reports.ts'

const partition = 1
const ino = makeIno(0, 500)
const other = makeIno(0, 501)

interface Message {
  readonly request: ShardChangedRequest
  answer(reply: Partial<ShardChangedReply>): Promise<void>
  lose(): Promise<void>
}

/** A shard of each of two directories, whose messages wait until the test answers them. */
function setUp(limit?: number) {
  const messages: Message[] = []
  const call = async (_: string, __: number, request: ShardChangedRequest) => {
    const reply = Promise.withResolvers<ShardChangedReply>()
    messages.push({
      request,
      answer: given => {
        reply.resolve({ parent: null, relies: false, ...given })
        return settled()
      },
      lose: () => {
        reply.reject(new ClusterError('TIMEOUT', 'lost'))
        return settled()
      },
    })
    return { body: await reply.promise, payload: [] }
  }
  const settings = { blockBytes: 65_536, inlineBytes: 0, volume: 0, defaultAcl: new Uint8Array(0) }
  const content = new Map<string, Uint8Array>()
  const change = (to: number, of = ino) => {
    const empty = emptyHolding({ ino: of, mode: 0o40755, gid: 0, ...settings })
    content.set(holdingKey(partition, of), encodeHolding({ ...empty, change: to }))
  }
  change(1)
  change(1, other)
  /** What is stored is committed then. */
  const disk = { isStaged: false, committed: Promise.resolve() }
  const store = { get: (key: string) => content.get(key), isStaged: () => disk.isStaged }
  const reports = new ShardReports({
    incarnation: 'first',
    storeOf: () => ({ ...store, settled: () => disk.committed }),
    peers: { call } as unknown as Pick<Peers, 'call' | 'callUntilDone'>,
    ...(limit === undefined ? {} : { limit }),
  })
  const answered = reports.reliedUpon(() => ({ body: {} as never, payload: [] }))
  /** Home asks what the shard counts. */
  const ask = () => answered({ partition, body: { ino } } as Incoming<'shardTotals'>)
  /** Whether home has to be told before anyone is answered. */
  const tells = (of = ino) => {
    const telling = reports.tell(partition, of)
    telling?.catch(() => undefined)
    return telling !== null
  }
  return { reports, messages, change, disk, ask, tells }
}

function settled(): Promise<void> {
  return new Promise(setImmediate)
}

test('after a start home is told before anyone is answered, and of no change until it asks', async t => {
  const { messages, change, ask, tells } = setUp()
  t.true(tells())
  await settled()
  t.is(messages.length, 1)
  await messages[0]!.answer({})
  t.false(tells())
  change(2)
  change(3)
  t.false(tells())
  void ask()
  t.false(tells())
  change(4)
  t.true(tells())
  await settled()
  t.is(messages[1]!.request.totals.change, 4)
  await messages[1]!.answer({})
  change(5)
  t.false(tells())
  t.is(messages.length, 2)
})

test('as long as home relies on what it is told, it is told of each change', async t => {
  const { messages, change, tells } = setUp()
  t.true(tells())
  await settled()
  await messages[0]!.answer({ relies: true })
  t.false(tells())
  change(2)
  t.true(tells())
  await settled()
  await messages[1]!.answer({ relies: true })
  t.false(tells())
})

test('home may rely on what it has asked for while a message was on its way', async t => {
  for (const [asked, relies] of [
    [1, false],
    [2, false],
    [2, true],
  ] as const) {
    const { messages, change, ask, tells } = setUp()
    change(asked)
    t.true(tells())
    await settled()
    void ask()
    change(3)
    await messages[0]!.answer({ relies })
    t.true(tells())
  }
})

test('what home relied on before a message that was lost it may rely on still', async t => {
  const { messages, change, ask, tells } = setUp()
  t.true(tells())
  await settled()
  await messages[0]!.answer({})
  void ask()
  change(2)
  t.true(tells())
  await settled()
  void ask()
  await messages[1]!.lose()
  t.true(tells())
  await settled()
  await messages[2]!.answer({})
  t.false(tells())
})

test('a question that comes late has home rely on nothing newer than it did', async t => {
  const { messages, change, ask, tells } = setUp()
  t.true(tells())
  await settled()
  await messages[0]!.answer({})
  void ask()
  change(2)
  void ask()
  t.true(tells())
  await settled()
  await messages[1]!.lose()
  const { ask: askNew, tells: tellsNew } = setUp()
  void askNew()
  t.true(tellsNew(), 'after a start')
})

test('what is told is committed', async t => {
  const { messages, disk, tells } = setUp()
  const committed = Promise.withResolvers<void>()
  disk.isStaged = true
  disk.committed = committed.promise
  t.true(tells())
  await settled()
  t.is(messages.length, 0)
  committed.resolve()
  await settled()
  t.is(messages.length, 1)
})

test('what is told once for many is told again for what has changed meanwhile, where home relies on it', async t => {
  for (const relies of [true, false]) {
    const { reports, messages, change } = setUp()
    const ended: number[] = []
    const tell = (who: number) => reports.tell(partition, ino)!.then(() => ended.push(who))
    void tell(0)
    await settled()
    change(2)
    void tell(1)
    void tell(2)
    await messages[0]!.answer({ relies })
    t.deepEqual(ended, relies ? [0] : [0, 1, 2])
    if (!relies) continue
    t.is(messages.length, 2)
    await messages[1]!.answer({ relies })
    t.deepEqual(ended, [0, 1, 2])
  }
})

test('all who wait for a message that is lost are told so', async t => {
  const { reports, messages } = setUp()
  const failed: number[] = []
  const tell = (who: number) => reports.tell(partition, ino)!.catch(() => failed.push(who))
  void tell(0)
  await settled()
  void tell(1)
  void tell(2)
  await messages[0]!.lose()
  t.deepEqual(failed, [0])
  await messages[1]!.lose()
  t.deepEqual(failed, [0, 1, 2])
  t.is(messages.length, 2)
})

test('of a partition that was elsewhere meanwhile home is told, whatever it had forgotten before', async t => {
  const { reports, messages, tells } = setUp()
  t.true(tells())
  await settled()
  await messages[0]!.answer({})
  t.false(tells())
  reports.forget(partition)
  t.true(tells())
  await settled()
  reports.forget(partition)
  await messages[1]!.answer({})
  t.true(tells(), 'the message was of before')
})

test('of a shard that was forgotten for want of room home is told once more', async t => {
  const { messages, tells } = setUp(1)
  t.true(tells())
  await settled()
  await messages[0]!.answer({})
  t.false(tells())
  t.true(tells(other))
  await settled()
  await messages[1]!.answer({})
  t.false(tells(other))
  t.true(tells())
})

test('who is named in a report is not sent elsewhere before it has been told', async t => {
  const { reports, messages, change, ask, tells } = setUp()
  const body = { parent: ino, name: Buffer.from('x') }
  const incoming = { partition, body, peer: { hello: { id: 'client' } } }
  const misplaced = Promise.withResolvers<never>()
  const create = reports.reportingChange<'create'>(() => misplaced.promise)
  let answered = false
  const creating = create(incoming as unknown as Incoming<'create'>) as Promise<unknown>
  const refused = t.throwsAsync(creating, { message: /MISPLACED/ }).then(() => {
    answered = true
  })
  const found = { body: { ino: 7, attributes: null, nameMs: 0, leaseMs: 0 }, payload: [] }
  const lookup: Handler<'lookup'> = reports.reporting(async () => found)
  const looking = lookup(incoming as unknown as Incoming<'lookup'>)
  await new Promise(setImmediate)
  t.is(messages[0]?.request.client, 'client')
  misplaced.reject(new ClusterError('MISPLACED', 'it went away'))
  await new Promise(setImmediate)
  t.false(answered)
  await messages[0]!.answer({})
  await Promise.all([refused, looking])
  t.true(answered)
  // It is not in the middle of a change any more.
  change(2)
  void ask()
  change(3)
  t.true(tells())
  await settled()
  t.is(messages[1]?.request.client, null)
})
