import test from 'ava'
import type { ManagerStatusReply } from '../network/wire/operations.ts'
import type { MemberStatus } from '../network/wire/view.ts'
import { describeMoves, obstacleTo } from './draining.ts'
import { findServer } from './find-server.ts'
import { describeMembers, membersOf } from './members.ts'
import { describe } from './run-status.ts'

function member(name: string, more: Partial<MemberStatus> = {}): MemberStatus {
  return {
    ...{
      id: `id-${name}`,
      peerId: `peer-${name}`,
      role: 'server',
      name,
      addresses: ['tcp://h:1'],
      host: 'h',
      domain: 'd',
    },
    ...{ weight: 2, alive: true, silentMs: 0, report: null, throughput: null },
    ...more,
  }
}

function status(
  members: readonly MemberStatus[],
  more: Partial<ManagerStatusReply> = {},
): ManagerStatusReply {
  const replicas = ['id-a']
  const partitions = [{ replicas, inSync: replicas, primary: 'id-a', epoch: 1 }]
  const view = { cluster: 'c', epoch: 1, members, partitions, replicaCount: 1 }
  const still = { draining: [], moves: [], movesWaiting: 0, frozen: null }
  return { cluster: 'c', view, members, serversWanted: 1, page: null, ...still, ...more }
}

test('members are listed servers first, with what they hold and whether they drain', t => {
  const members = [member('mount', { role: 'client' }), member('b10'), member('b9'), member('a')]
  const reply = status(members, { draining: ['id-a'] })
  t.deepEqual(
    membersOf(reply).map(({ name, state, partitions }) => [name, state, partitions]),
    [
      ['a', 'up, drains', 1],
      ['b9', 'up', 0],
      ['b10', 'up', 0],
      ['mount', 'up', null],
    ],
  )
  const lines = describeMembers(reply).split('\n')
  t.is(lines.length, 5)
  t.regex(lines[1]!, / id-a +peer-a$/)
})

test('a server is found by name or id, and said to be missing or ambiguous otherwise', t => {
  const members = [member('a'), member('b'), member('b', { id: 'other' })]
  t.is(findServer(members, 'a').id, 'id-a')
  t.is(findServer(members, 'other').name, 'b')
  t.throws(() => findServer(members, 'b'), { message: /2 servers are called b.*id-b, other/ })
  t.throws(() => findServer([member('m', { role: 'client' })], 'm'), { message: /none yet/ })
})

test('what keeps a server from handing over is said', t => {
  const draining = ['id-a']
  t.regex(obstacleTo(status([member('a')], { draining }), 'id-a')!, /0 other servers for 1 copy/)
  const two = [member('a'), member('b')]
  t.is(obstacleTo(status(two, { draining }), 'id-a'), null)
  t.is(obstacleTo(status(two, { draining, frozen: 'too many' }), 'id-a'), 'too many')
  const down = [member('a', { alive: false }), member('b')]
  t.regex(obstacleTo(status(down, { draining }), 'id-a')!, /a is down/)
})

test('moves are told with what is copied and what is to come', t => {
  const move = { partition: 1, source: 'id-a', target: 'id-b', phase: 'copying' } as const
  const moves = [{ ...move, doneBytes: 1024, totalBytes: 4096 }]
  t.is(
    describeMoves(status([], { moves, movesWaiting: 9 })),
    '1 under way (1 KiB of 4 KiB), 9 to come',
  )
})

test('a move that is held up by damage is told, and keeps a server from handing over when nothing else is left', t => {
  const move = { partition: 0, source: 'id-a', target: 'id-b', phase: 'copying' } as const
  const moves = [{ ...move, doneBytes: 0, totalBytes: 0, held: 'a record is damaged' }]
  const reply = status([member('a'), member('b')], { moves, draining: ['id-a'] })
  t.is(describeMoves(reply), '0 under way, 1 held up')
  t.is(obstacleTo(reply, 'id-a'), 'partition 0 is held up: a record is damaged')
  t.true(describe(reply, []).includes('partition 0 is held up: a record is damaged'))
})
