/** How large a view is, and what it costs to say it to everybody. */
import { maxFrameBodyBytes } from '../../network/limits.ts'
import { place } from '../../network/placement/placement.ts'
import { checksum64 } from '../../network/wire/checksum.ts'
import { decodeBody, encodeBody, fieldsOf } from '../../network/wire/codec.ts'
import type { View } from '../../network/wire/view.ts'
import { viewFromWire, viewToWire } from '../../network/wire/wire-view.ts'
import { membersOf } from './members.ts'
import type { Shape } from './placement.ts'
import { spent } from './spent.ts'

export interface ViewFigures extends Shape {
  readonly bytes: number
  /** A body that is longer cannot travel: the manager refuses the change. */
  readonly fits: boolean
  readonly encodeMs: number
  readonly decodeMs: number
  /** Processor time of the manager to tell all servers once: it encodes once, and copies and checks for each. */
  readonly tellAllMs: number
  /** What leaves the manager for one change, in bytes. */
  readonly tellAllBytes: number
}

const rounds = 5

export function viewFigures(shape: Shape): ViewFigures {
  const { servers, partitions, replicas } = shape
  const members = membersOf(servers)
  const placed = place({ members, partitionCount: partitions, replicaCount: replicas })
  const view: View = {
    ...{
      cluster: '0123456789abcdef0123456789abcdef',
      epoch: 1000,
      members,
      replicaCount: replicas,
    },
    partitions: placed.map(held => ({
      ...{ replicas: held, inSync: held, primary: held[0] ?? null, epoch: 7 },
    })),
  }
  // Views are also pushed with what later versions add; what is there today is what is measured.
  const body = encodeBody({ view: viewToWire(view) })
  const encodeMs = mean(() => viewToWire({ ...view }))
  const tellMs = mean(() => encodeBody({ view: viewToWire(view) }))
  const checkMs = mean(() => checksum64(body))
  return {
    ...shape,
    bytes: body.byteLength,
    fits: body.byteLength <= maxFrameBodyBytes,
    encodeMs,
    decodeMs: mean(() => viewFromWire(fieldsOf(decodeBody(body)).view)),
    tellAllMs: encodeMs + servers * (tellMs + checkMs),
    tellAllBytes: servers * body.byteLength,
  }
}

function mean(work: () => unknown): number {
  work()
  const { processorMs } = spent(() => {
    for (let round = 0; round < rounds; round++) work()
  })
  return processorMs / rounds
}
