import test from 'ava'
import { maxFrameBodyBytes, maxPartitionCount } from '../limits.ts'
import { place } from '../placement/placement.ts'
import { decodeBody, encodeBody, fieldsOf } from './codec.ts'
import type { Member, View } from './view.ts'
import { statusFromWire, statusToWire, viewFromWire, viewToWire } from './wire-view.ts'

function viewOf(servers: number, partitionCount: number, replicaCount: number): View {
  const members = Array.from({ length: servers }, (_, index): Member => {
    const id = index.toString(16).padStart(32, '0')
    const addresses = [`tls://server-${index}.storage.example.org:7401`]
    return {
      id,
      role: 'server',
      name: `server-${index}`,
      addresses,
      host: id,
      domain: id,
      weight: 1,
    }
  })
  const partitions = place({ members, partitionCount, replicaCount }).map((replicas, index) => ({
    replicas,
    inSync: replicas.slice(0, 1 + (index % replicaCount)),
    primary: index % 7 === 0 ? null : replicas[0]!,
    epoch: index + 2 ** 31,
  }))
  return { cluster: 'c1'.repeat(16), epoch: 2 ** 33, members, partitions, replicaCount }
}

function travelled(view: View): View {
  return viewFromWire(fieldsOf(decodeBody(encodeBody({ view: viewToWire(view) }))).view)
}

test('the largest number of partitions, with three replicas each on a thousand servers, fits a frame', t => {
  const view = viewOf(1_000, maxPartitionCount, 3)
  const { byteLength } = encodeBody({ view: viewToWire(view) })
  t.true(byteLength < maxFrameBodyBytes / 2, `${byteLength} bytes`)
  t.true(
    encodeBody({ view }).byteLength > maxFrameBodyBytes,
    'with names in place of indices it does not',
  )
  t.deepEqual(travelled(view), view)
})

test('a view is encoded once, however many are told', t => {
  const view = viewOf(3, 16, 2)
  t.is(viewToWire(view), viewToWire(view))
  t.not(viewToWire({ ...view }), viewToWire(view))
})

test('what a view tells beside its partitions arrives, and holders that are no members any more', t => {
  const view = viewOf(3, 4, 2)
  const removed = [{ peerId: '12D3KooW', serial: 7 }]
  const [gone] = view.members
  const later = { ...view, members: view.members.slice(1), removed }
  t.true(later.partitions.some(({ replicas }) => replicas.includes(gone!.id)))
  t.deepEqual(travelled(later), later)
})

test('a status travels with its view, and without one', t => {
  const view = viewOf(3, 4, 2)
  const about = { cluster: view.cluster, members: [], serversWanted: 3, draining: [], moves: [] }
  const rest = { ...about, movesWaiting: 0, frozen: null, page: null }
  t.deepEqual(statusFromWire(statusToWire({ ...rest, view })), { ...rest, view })
  t.is(statusFromWire(statusToWire({ ...rest, view: null })).view, null)
})

test('bytes that are no view are refused', t => {
  const bytes = viewToWire(viewOf(3, 4, 2))
  const said = fieldsOf(decodeBody(bytes))
  const partitions = said.partitions as Uint8Array
  const nonsense = [
    {},
    null,
    Buffer.from('nonsense'),
    bytes.subarray(0, 20),
    encodeBody({ ...said, partitions: partitions.subarray(0, -1) }),
    encodeBody({ ...said, partitions: partitions.subarray(0, 5) }),
    encodeBody({ ...said, ids: [] }),
    encodeBody({ ...said, ids: [1, 2, 3] }),
    encodeBody({ ...said, members: null }),
  ]
  for (const view of nonsense) t.throws(() => viewFromWire(view), { code: 'MALFORMED' })
})
