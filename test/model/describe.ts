/** A history that cannot be explained, for whoever has to find out why. */
import { apply } from './apply.ts'
import type { Event, Verdict } from './linearize.ts'
import type { World } from './world.ts'

export interface Unexplained {
  readonly events: readonly Event[]
  readonly lost: ReadonlySet<string>
}

export function describe({ events, lost }: Unexplained, { order, world }: Verdict): string {
  const lines = order.map(index => `  ${lineOf(events[index]!)}`)
  const left = events.filter((_, index) => !order.includes(index))
  const more = left.map(
    event => `  ${lineOf(event)}\n      the model: ${wanted(world, event, lost)}`,
  )
  return ['longest order:', ...lines, 'the world then:', ...world.tree(), 'left:', ...more].join(
    '\n',
  )
}

function lineOf({ client, call, started, ended, answer }: Event): string {
  const { name, ...rest } = call
  return `${started}-${ended} ${client} ${name} ${JSON.stringify(rest)} -> ${JSON.stringify(answer)}`
}

function wanted(world: World, { client, call, answer }: Event, lost: ReadonlySet<string>): string {
  const observed = answer ?? undefined
  const circumstances = { client, observed, newIno: answer?.ino ?? -1, lost }
  return JSON.stringify(apply(world.copy(), call, circumstances))
}
