/**
 * Looks for an order of concurrent calls that explains their answers, in the manner of Wing and Gong (1993)
 * with the memory of Lowe (2017): a set of calls done and the world they led to is tried once.
 */
import { apply } from './apply.ts'
import type { Answer, Call, ModelIno } from './calls.ts'
import type { World } from './world.ts'

/** One call of a history. Times are those of any clock that tells what came before what. */
export interface Event {
  readonly client: string
  readonly call: Call
  readonly started: number
  /** Infinite when nobody knows how the call ended: it may have its effect at any time, or never. */
  readonly ended: number
  readonly answer: Answer | null
}

export interface Verdict {
  /** Indices of events in an order that explains all answers, or the longest that explains its own. */
  readonly order: readonly number[]
  readonly explained: boolean
  /** The world behind that order. */
  readonly world: World
}

/** Everything else failed: a bound of the search, far above what histories of our length need. */
const maxSteps = 2_000_000

export function linearize(
  start: World,
  events: readonly Event[],
  lost: ReadonlySet<string> = new Set(),
): Verdict {
  return new Search(events, lost).run(start)
}

class Search {
  readonly #events: readonly Event[]
  readonly #lost: ReadonlySet<string>
  readonly #tried = new Set<string>()
  #order: number[] = []
  #best: Verdict | null = null
  #steps = 0

  constructor(events: readonly Event[], lost: ReadonlySet<string>) {
    this.#events = events
    this.#lost = lost
  }

  run(start: World): Verdict {
    this.#best = { order: [], explained: false, world: start }
    this.#visit(start, 0n)
    return this.#best
  }

  /** @returns whether what is left can be explained from here. */
  #visit(world: World, done: bigint): boolean {
    if (this.#steps++ > maxSteps) throw new Error('the history is too long to be judged')
    const key = `${done} ${world.key()}`
    if (this.#tried.has(key)) return false
    this.#tried.add(key)
    const left = this.#left(done)
    const explained = left.every(index => this.#events[index]!.answer === null)
    if (explained || this.#order.length > this.#best!.order.length) {
      this.#best = { order: [...this.#order], explained, world }
    }
    if (explained) return true
    const firstEnd = Math.min(...left.map(index => this.#events[index]!.ended))
    for (const index of left) {
      if (this.#events[index]!.started > firstEnd) continue
      const next = explain(world, this.#events[index]!, -1 - index, this.#lost)
      if (next === null) continue
      this.#order.push(index)
      if (this.#visit(next, done | (1n << BigInt(index)))) return true
      this.#order.pop()
    }
    return false
  }

  #left(done: bigint): number[] {
    return [...this.#events.keys()].filter(index => (done & (1n << BigInt(index))) === 0n)
  }
}

/** @returns the world after the call, or null when its answer is not what the model says. */
function explain(
  before: World,
  { client, call, answer }: Event,
  unseen: ModelIno,
  lost: ReadonlySet<string>,
): World | null {
  const world = before.copy()
  const newIno = answer?.ino ?? unseen
  const given = apply(world, call, { client, newIno, lost, observed: answer ?? undefined })
  if (answer === null) return given.error === undefined ? world : null
  return sameAnswers(recognised(world, given, answer), answer) ? world : null
}

/** Numbers of inodes that a call made whose answer never came are learned from whoever sees them first. */
function recognised(world: World, given: Answer, answer: Answer): Answer {
  const seen = new Map<ModelIno, ModelIno>()
  for (const [unseen, ino] of sightings(given, answer)) {
    if (unseen >= 0 || world.get(ino) !== undefined) continue
    seen.set(unseen, ino)
    world.rename(unseen, ino)
  }
  if (seen.size === 0) return given
  const { ino, entries } = given
  return {
    ...given,
    ...(ino !== undefined && { ino: seen.get(ino) ?? ino }),
    ...(entries !== undefined && { entries: entries.map(entry => renumbered(entry, seen)).sort() }),
  }
}

function* sightings(given: Answer, answer: Answer): Generator<readonly [ModelIno, ModelIno]> {
  if (given.ino !== undefined && answer.ino !== undefined) yield [given.ino, answer.ino]
  for (const entry of given.entries ?? []) {
    const [name, ino] = partsOf(entry)
    const same = answer.entries?.find(each => partsOf(each)[0] === name)
    if (same !== undefined) yield [ino, partsOf(same)[1]]
  }
}

function renumbered(entry: string, seen: ReadonlyMap<ModelIno, ModelIno>): string {
  const [name, ino] = partsOf(entry)
  return `${name}:${seen.get(ino) ?? ino}`
}

function partsOf(entry: string): readonly [string, ModelIno] {
  const colon = entry.lastIndexOf(':')
  return [entry.slice(0, colon), Number(entry.slice(colon + 1))]
}

export function sameAnswers(one: Answer, other: Answer): boolean {
  return textOf(one) === textOf(other)
}

function textOf({ error, ino, attributes, entries, data }: Answer): string {
  const seen = attributes && Object.entries(attributes).sort()
  return JSON.stringify([error, ino, seen, entries, data])
}
