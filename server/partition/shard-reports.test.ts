/** A shard's side of its directory's totals, call by call. */
import test from 'ava'
import { ClusterError } from '../../network/errors.ts'
import type { Handler, Incoming } from '../../network/rpc/contract.ts'
import { makeIno } from '../../network/wire/ids.ts'
import type { ShardChangedRequest } from '../../network/wire/operations.ts'
import { encodeHolding } from '../metadata/holding.ts'
import { holdingKey } from '../metadata/keys.ts'
import type { Peers } from '../peers.ts'
import { emptyHolding } from '../transactions/shard-legs.ts'
import { ShardReports } from './shard-reports.ts'

const partition = 1
const ino = makeIno(0, 500)

function setUp() {
  const told: ShardChangedRequest[] = []
  const answer = Promise.withResolvers<void>()
  const call = async (_: string, __: number, request: ShardChangedRequest) => {
    told.push(request)
    await answer.promise
    return { body: { parent: null }, payload: [] }
  }
  const settings = { blockBytes: 65_536, inlineBytes: 0, volume: 0, defaultAcl: new Uint8Array(0) }
  const holding = { ...emptyHolding({ ino, mode: 0o40755, gid: 0, ...settings }), change: 1 }
  const content = new Map([[holdingKey(partition, ino), encodeHolding(holding)]])
  const store = { get: (key: string) => content.get(key), isStaged: () => false }
  const reports = new ShardReports({
    incarnation: 'first',
    storeOf: () => ({ ...store, settled: async () => undefined }),
    peers: { call } as unknown as Pick<Peers, 'call' | 'callUntilDone'>,
  })
  return { reports, told, answer }
}

test('who is named in a report is not sent elsewhere before it has been told', async t => {
  const { reports, told, answer } = setUp()
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
  t.is(told[0]?.client, 'client')
  misplaced.reject(new ClusterError('MISPLACED', 'it went away'))
  await new Promise(setImmediate)
  t.false(answered)
  answer.resolve()
  await Promise.all([refused, looking])
  t.true(answered)
})
