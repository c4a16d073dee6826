import test from 'ava'
import { silentLog } from '../../network/log.ts'
import type { Handler, Incoming, Peer } from '../../network/rpc/contract.ts'
import type { JoinRequest } from '../../network/wire/operations.ts'
import type { Roster } from './roster.ts'
import { MemberService } from './service.ts'

const id = 'a'.repeat(32)

function joinFrom(address: string): Incoming<'join'> {
  const peer = {
    hello: { role: 'server' },
    peerId: null,
    closed: new Promise(() => undefined),
  } as unknown as Peer
  const body: JoinRequest = {
    role: 'server',
    id,
    name: 'a',
    addresses: [address],
    host: 'h',
    domain: 'd',
    weight: 1,
  }
  return { peer, partition: 0, epoch: 0, body, payload: [] }
}

test('a server that is started twice at once is taken in from one place only', async t => {
  const saved = Promise.withResolvers<void>()
  const roster = {
    find: () => undefined,
    isAlive: () => false,
    async join() {
      await saved.promise
      return { id, cluster: 'c', partitionCount: 16, heartbeatIntervalMs: 1000 }
    },
  }
  const { service } = new MemberService({
    roster: roster as unknown as Roster,
    log: silentLog,
    managers: async () => [],
  })
  const join = service.join as Handler<'join'>
  const first = join(joinFrom('unix:/one'))
  await t.throwsAsync(async () => join(joinFrom('unix:/two')), { message: /IN_USE/ })
  saved.resolve()
  t.is((await first).body.id, id)
})
