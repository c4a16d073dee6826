/**
 * A run of several clients that each do several things at a time to one small volume, with troubles on the
 * way, and the history of what each was told. The same input gives the same history.
 */
import fc from 'fast-check'
import type { Cluster } from '../../client/cluster/contract.ts'
import { contextOf } from '../../client/fs/context.ts'
import type { FileSystem } from '../../client/fs/contract.ts'
import { PosixError } from '../../network/errors.ts'
import { leaseTermMs, readLeaseRestMs } from '../../network/limits.ts'
import { isDirectory, isRegular } from '../../network/wire/attributes.ts'
import { Actor } from './actor.ts'
import { apply } from './apply.ts'
import type { Answer, Call } from './calls.ts'
import { type Command, callOf, Knowledge } from './commands.ts'
import type { Event } from './linearize.ts'
import { SimulatedCluster } from './simulated-cluster.ts'
import { World } from './world.ts'

export interface Trouble {
  readonly what: 'restart' | 'cut' | 'end client'
  readonly atMs: number
  /** Which of the servers or clients. */
  readonly which: number
  readonly downMs: number
}

export interface Plan {
  /** Of the order of events: the delays of messages. */
  readonly seed: number
  readonly slowestMs: number
  readonly lossRate: number
  /** Of files that keep their data beside the inode; null: of all. */
  readonly inlineBytes: number | null
  /** Entries that make a directory too large for one partition; null: none is. */
  readonly splitEntries: number | null
  /** All clients have the same file open. */
  readonly opens: boolean
  /** The first client has worked here alone, and what it changes it may change behind; the others begin late. */
  readonly worksAlone: boolean
  /** What each client does, in several sequences at a time. */
  readonly clients: readonly (readonly (readonly Command[])[])[]
  readonly troubles: readonly Trouble[]
}

export interface History {
  readonly start: World
  readonly events: readonly Event[]
  /** Clients that were ended. */
  readonly lost: ReadonlySet<string>
  readonly cluster: SimulatedCluster
  /** How many changes programs were answered before their servers had made them. */
  readonly behindCount: number
}

const trouble: fc.Arbitrary<Trouble> = fc.record({
  what: fc.constantFrom('restart', 'restart', 'cut', 'end client'),
  atMs: fc.nat({ max: 120 }),
  which: fc.nat({ max: 5 }),
  downMs: fc.nat({ max: 40 }),
})

export interface PlanOptions {
  /** At most. */
  readonly troubles: number
  readonly inlineBytes: readonly (number | null)[]
  readonly splitEntries: readonly (number | null)[]
  readonly opens: boolean
  readonly command: fc.Arbitrary<Command>
}

/** Of one client that works alone, and others that come to it. */
export function workPlanOf(
  work: fc.Arbitrary<Command>,
  look: fc.Arbitrary<Command>,
): fc.Arbitrary<Plan> {
  const lane = (command: fc.Arbitrary<Command>, maxLength: number) =>
    fc.array(command, { minLength: 1, maxLength, size: 'max' })
  const lanes = (command: fc.Arbitrary<Command>, maxLength: number) =>
    fc.array(lane(command, maxLength), { minLength: 1, maxLength: 2, size: 'max' })
  return fc
    .record({
      seed: fc.nat({ max: 2 ** 31 }),
      slowestMs: fc.constantFrom(1, 5, 20),
      lossRate: fc.constantFrom(0, 0, 0.02),
      inlineBytes: fc.constantFrom(null, 30),
      splitEntries: fc.constant(null),
      opens: fc.constant(false),
      worksAlone: fc.constant(true),
      clients: fc
        .tuple(lanes(work, 10), fc.array(lanes(look, 3), { maxLength: 2, size: 'max' }))
        .map(([first, others]) => [first, ...others]),
      troubles: fc.oneof(
        fc
          .array(trouble, { maxLength: 2, size: 'max' })
          .map(some => some.filter(({ what }) => what !== 'end client')),
        trouble.map(one => [{ ...one, what: 'end client' as const, which: 0 }]),
      ),
    })
    .map(plan =>
      // What is lost on its way is lost when its client ends as well.
      plan.troubles.some(({ what }) => what === 'end client') ? { ...plan, lossRate: 0 } : plan,
    )
}

export function planOf(options: PlanOptions): fc.Arbitrary<Plan> {
  const lane = fc.array(options.command, { minLength: 1, maxLength: 5, size: 'max' })
  const lanes = fc.array(lane, { minLength: 1, maxLength: 2, size: 'max' })
  return fc.record({
    seed: fc.nat({ max: 2 ** 31 }),
    slowestMs: fc.constantFrom(1, 3, 10),
    lossRate: options.troubles > 0 ? fc.constantFrom(0, 0.01, 0.05) : fc.constant(0),
    inlineBytes: fc.constantFrom(...options.inlineBytes),
    splitEntries: fc.constantFrom(...options.splitEntries),
    opens: fc.constant(options.opens),
    worksAlone: fc.constant(false),
    clients: fc.array(lanes, { minLength: 1, maxLength: 3, size: 'max' }),
    troubles: fc.array(trouble, { maxLength: options.troubles, size: 'max' }),
  })
}

export async function runPlan(plan: Plan): Promise<History> {
  const storm = await Storm.prepare(plan)
  await storm.run()
  return storm.history()
}

interface Client {
  readonly name: string
  readonly actor: Actor
  readonly fileSystem: FileSystem
  readonly cluster: Cluster
  readonly known: Knowledge
  readonly end: () => void
  ended: boolean
}

class Storm {
  readonly #plan: Plan
  readonly #cluster: SimulatedCluster
  readonly #clients: Client[] = []
  readonly #events: Event[] = []
  readonly #lost = new Set<string>()
  readonly #start: World
  #time = 0
  #behindCount = 0

  private constructor(plan: Plan, cluster: SimulatedCluster, fileSystem: FileSystem) {
    this.#plan = plan
    this.#cluster = cluster
    this.#start = World.empty(fileSystem.root)
  }

  static async prepare(plan: Plan): Promise<Storm> {
    const { inlineBytes, splitEntries, seed, slowestMs, lossRate } = plan
    const cluster = await SimulatedCluster.start({
      ...{ seed, slowestMs, lossRate },
      ...(inlineBytes === null ? {} : { inlineBytes }),
      ...(splitEntries === null ? {} : { splitEntries }),
    })
    const connections = []
    for (const _ of plan.clients) connections.push(await cluster.connect())
    const storm = new Storm(plan, cluster, connections[0]!.fileSystem)
    await cluster.passing(storm.#furnish(connections[0]!.fileSystem))
    for (const [index, { fileSystem, client: connected, end }] of connections.entries()) {
      const known = new Knowledge(fileSystem.root)
      for (const ino of storm.#start.paths().keys()) {
        known.saw(ino, storm.#start.attributesOf(ino).mode)
      }
      const actor = new Actor(fileSystem, (ino, mode) => known.saw(ino, mode))
      const client = {
        name: `c${index}`,
        actor,
        fileSystem,
        cluster: connected,
        known,
        end,
        ended: false,
      }
      storm.#clients.push(client)
      if (plan.opens) await cluster.passing(storm.#open(client))
    }
    if (plan.worksAlone) await storm.#workAlone()
    return storm
  }

  /** /d, /d/d, /a and /d/b: something to meet at from the first call on. */
  async #furnish(fileSystem: FileSystem): Promise<void> {
    const actor = new Actor(fileSystem)
    const client = 'c0'
    const perform = async (call: Call) => {
      const { ino = 0 } = await actor.perform(call)
      apply(this.#start, call, { client, newIno: ino })
      return ino
    }
    const { root } = fileSystem
    const upper = await perform({ name: 'mkdir', parent: root, entry: 'd', mode: 0o755 })
    await perform({ name: 'mkdir', parent: upper, entry: 'd', mode: 0o755 })
    const file = { name: 'create', mode: 0o644, exclusive: true } as const
    for (const place of [
      { parent: root, entry: 'a' },
      { parent: upper, entry: 'b' },
    ]) {
      const ino = await perform({ ...file, ...place })
      await perform({ name: 'release', ino })
    }
  }

  /** Until the first client changes behind what it changes in each directory. */
  async #workAlone(): Promise<void> {
    const { fileSystem, cluster } = this.#clients[0]!
    const { changes } = contextOf(cluster)
    const wait = <T>(promise: Promise<T>) => this.#cluster.passing(promise)
    await this.#cluster.env.advance(readLeaseRestMs + leaseTermMs)
    const name = Buffer.from('w')
    const how = { exclusive: true, truncate: false }
    for (const directory of this.#start.paths().keys()) {
      if (!isDirectory(this.#start.attributesOf(directory).mode)) continue
      await wait(fileSystem.getattr(directory))
      for (let count = 0; changes.isEmpty; count++) {
        if (count > 100) throw new Error('nothing is changed behind')
        await wait(fileSystem.lookup(directory, name).catch(() => undefined))
        const { file } = await wait(
          fileSystem.create(directory, name, 0o644, { uid: 0, gid: 0 }, how),
        )
        fileSystem.release(file)
        if (changes.isEmpty) await wait(fileSystem.unlink(directory, name))
      }
      await wait(fileSystem.fsync(directory))
      await wait(fileSystem.unlink(directory, name).catch(() => undefined))
      await wait(fileSystem.fsync(directory))
    }
    const { onCall } = this.#cluster
    this.#cluster.onCall = called => {
      if (called.endsWith('Behind')) this.#behindCount++
      return onCall(called)
    }
  }

  /** Who comes when all is over sees what was answered, whoever has ended. */
  async #look(): Promise<void> {
    const { fileSystem, client: cluster, end } = await this.#cluster.connect()
    const root = this.#start.root
    const known = new Knowledge(root)
    const actor = new Actor(fileSystem)
    const client = { name: 'late', actor, fileSystem, cluster, known, end, ended: false }
    const wait = <T>(promise: Promise<T>) => this.#cluster.passing(promise)
    const seen = new Set<number>()
    for (const directory of this.#start.paths().keys()) {
      if (!isDirectory(this.#start.attributesOf(directory).mode)) continue
      const listed = await wait(this.#perform(client, { name: 'readdir', ino: directory }))
      for (const entry of listed?.entries ?? [])
        seen.add(Number(entry.slice(entry.lastIndexOf(':') + 1)))
    }
    for (const ino of seen) {
      const looked = await wait(this.#perform(client, { name: 'getattr', ino }))
      if (looked?.attributes === undefined || !isRegular(looked.attributes.mode)) continue
      await wait(this.#perform(client, { name: 'open', ino, truncate: false }))
      await wait(this.#perform(client, { name: 'read', ino }))
    }
  }

  /** /a, whatever else it opens later. */
  async #open({ name, actor, known }: Client): Promise<void> {
    const ino = this.#start.get(this.#start.root)!.entries.get('a')!
    const call = { name: 'open', ino, truncate: false } as const
    known.learn(call, await actor.perform(call))
    apply(this.#start, call, { client: name, newIno: 0 })
  }

  async run(): Promise<void> {
    const { clients, troubles } = this.#plan
    const lanes = clients.flatMap((each, index) =>
      each.map(async (commands, at) => {
        if (this.#plan.worksAlone && index > 0)
          await this.#cluster.env.timers.sleep(25 * at * index)
        await this.#lane(this.#clients[index]!, commands)
      }),
    )
    const troubled = troubles.map(each => this.#trouble(each))
    await this.#cluster.passing(Promise.all([...lanes, ...troubled]))
    if (this.#plan.worksAlone) await this.#look()
  }

  history(): History {
    const events = this.#events.toSorted((a, b) => a.started - b.started)
    const behindCount = this.#behindCount
    return { start: this.#start, events, lost: this.#lost, cluster: this.#cluster, behindCount }
  }

  async #lane(client: Client, commands: readonly Command[]): Promise<void> {
    for (const each of commands) {
      const call = callOf(each, client.known)
      if (call === null) continue
      if (call.name === 'release') client.known.closing(call.ino)
      await this.#perform(client, call)
      if (client.ended) return
    }
  }

  async #perform(client: Client, call: Call): Promise<Answer | null> {
    await this.#lookFirst(client, call)
    const started = this.#time++
    const index = this.#events.length
    const asked = { client: client.name, call, started }
    this.#events.push({ ...asked, ended: Number.POSITIVE_INFINITY, answer: null })
    const answer = await this.#answerTo(client, call)
    if (client.ended || answer === null) return null
    client.known.learn(call, answer)
    this.#events[index] = { ...asked, ended: this.#time++, answer }
    return answer
  }

  /** As a kernel does. */
  async #lookFirst(client: Client, call: Call): Promise<void> {
    if (!this.#plan.worksAlone || !(call.name === 'create' || call.name === 'unlink')) return
    const looking = client.fileSystem.lookup(call.parent, Buffer.from(call.entry, 'latin1'))
    await looking.catch(() => undefined)
  }

  /** null when nobody knows what became of it. */
  async #answerTo(client: Client, call: Call): Promise<Answer | null> {
    try {
      return await client.actor.perform(call)
    } catch (error) {
      if (error instanceof PosixError && error.code === 'EIO') return null
      throw error
    }
  }

  async #trouble({ what, atMs, which, downMs }: Trouble): Promise<void> {
    const cluster = this.#cluster
    await cluster.env.timers.sleep(atMs)
    const server = cluster.ids[which % cluster.ids.length]!
    const client = this.#clients[which % this.#clients.length]!
    if (what === 'restart' && cluster.servers.servers.has(server)) {
      cluster.crash(server)
      await cluster.env.timers.sleep(downMs)
      await cluster.startServer(server)
    } else if (what === 'cut') await cluster.cut(`client${(which % this.#clients.length) + 1}`)
    else if (what === 'end client') {
      client.ended = true
      this.#lost.add(client.name)
      client.end()
    }
  }
}
