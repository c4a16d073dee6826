/** Many transactions at a time, seeded: none waits for ever, and the tree is whole when all are done. */

import test from 'ava'
import { SeededRandom } from '../../network/env/xoshiro.ts'
import { PosixError } from '../../network/errors.ts'
import { callDeadlineMs } from '../../network/limits.ts'
import { entriesOfRecords, recordsOf } from '../../network/wire/directory-records.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { faultsIn } from '../testing/checker.ts'
import { TestCluster } from '../testing/cluster.ts'
import { link, makeDirectory, makeFile, nameOf, remove, rename } from '../testing/tree.ts'

const actors = 6
const actionsEach = 12
const crashesEach = 10
const names = ['p', 'q', 'r', 's']

class Storm {
  readonly cluster: TestCluster
  readonly random: SeededRandom
  readonly directories: Ino[] = []
  readonly files: Ino[] = []
  done = 0

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.cluster = new TestCluster({ seed, servers: 3, partitions: 8, slowestMs: 3 })
  }

  async start(): Promise<void> {
    await this.cluster.start()
    for (const name of names) {
      const made = await makeDirectory(this.cluster, clusterRootIno, name)
      this.directories.push(made)
      this.files.push(await makeFile(this.cluster, made, 'f'))
    }
  }

  async act(): Promise<void> {
    for (let count = 0; count < actionsEach; count++) {
      try {
        await this.#action()
        this.done++
      } catch (error) {
        if (!(error instanceof PosixError)) throw error
      }
    }
  }

  #any<T>(values: readonly T[]): T {
    return values[this.random.integer(values.length)]!
  }

  async #action(): Promise<unknown> {
    const { cluster } = this
    const from = [this.#any(this.directories), this.#any(names)] as const
    const to = [this.#any(this.directories), this.#any(names)] as const
    const choice = this.random.integer(12)
    if (choice < 2) return await this.#mkdir(from)
    if (choice < 4) return await this.#create(from)
    if (choice === 4) return await remove(cluster, 'unlink', ...from)
    if (choice === 5) return await remove(cluster, 'rmdir', ...from)
    if (choice === 6) return await link(cluster, from, this.#any(this.files))
    return await rename(cluster, from, to, choice < 10 ? 0 : choice - 9)
  }

  async #mkdir([parent, name]: readonly [Ino, string]): Promise<void> {
    const request = { parent, name: nameOf(name), mode: 0o755, uid: 0, gid: 0 }
    const { body } = await this.cluster.mutate('mkdir', partitionOfIno(parent), request)
    this.directories.push(body.attributes.ino)
  }

  async #create([parent, name]: readonly [Ino, string]): Promise<void> {
    const request = { parent, name: nameOf(name), mode: 0o100644, uid: 0, gid: 0, rdev: 0 }
    const rest = { target: new Uint8Array(0), exclusive: false, open: false }
    const { mutate } = this.cluster
    const reply = mutate.call(this.cluster, 'create', partitionOfIno(parent), {
      ...request,
      ...rest,
    })
    this.files.push(((await reply).body as { attributes: { ino: Ino } }).attributes.ino)
  }

  /** Ends servers now and then; at last they stay, so that they come to ask how things ended. */
  async trouble(): Promise<void> {
    const { env } = this.cluster
    for (let count = 0; count < crashesEach; count++) {
      await env.timers.sleep(5 + this.random.integer(60))
      const victim = this.#any([...this.cluster.servers.keys()])
      this.cluster.crash(victim)
      await env.timers.sleep(this.random.integer(30))
      await this.cluster.startServer(victim)
    }
  }
}

interface Weather {
  readonly crashes: boolean
  readonly losses: boolean
}

async function weather(seed: number, { crashes, losses }: Weather): Promise<Storm> {
  const storm = new Storm(seed)
  await storm.start()
  if (losses) storm.cluster.loses = () => storm.random.integer(40) === 0
  const troubled = crashes ? storm.trouble() : Promise.resolve()
  await storm.cluster.passing(Promise.all(Array.from({ length: actors }, () => storm.act())))
  await storm.cluster.passing(troubled)
  storm.cluster.loses = () => false
  await storm.cluster.env.advance(callDeadlineMs + 5_000)
  return storm
}

const skies: { readonly [title: string]: Weather } = {
  'that nothing disturbs': { crashes: false, losses: false },
  'while servers end and start again': { crashes: true, losses: false },
  'while messages get lost': { crashes: false, losses: true },
  'while messages get lost and servers end': { crashes: true, losses: true },
}

for (const [title, sky] of Object.entries(skies)) {
  test(`random concurrent transactions leave the tree whole, ${title}`, async t => {
    for (let seed = 1; seed <= 25; seed++) {
      const { cluster, done } = await weather(seed, sky)
      t.deepEqual(faultsIn(cluster.contents.values()), [], `seed ${seed}`)
      t.true(done > 10, `seed ${seed}: ${done} succeeded`)
      for (const server of cluster.servers.values()) t.is(server.locksHeld, 0, `seed ${seed}`)
      // Conflicts are settled by trying again, not by waiting for a deadline.
      const calm = !sky.crashes && !sky.losses
      if (calm) t.true(cluster.env.clock.monotonicMs() < 30_000, `seed ${seed} took too long`)
    }
  })
}

test('a stream of transactions in a directory keeps nobody from reading it', async t => {
  const cluster = new TestCluster({ servers: 2, partitions: 4, slowestMs: 3 })
  await cluster.start()
  const parent = await makeDirectory(cluster, clusterRootIno, cluster.nameIn(clusterRootIno, 1))
  let made = 0
  let stopped = false
  const make = async (stream: number) => {
    for (let count = 0; !stopped; count++) {
      const name = cluster.nameIn(parent, 2, `${stream}.${count}.`)
      await cluster.mutate('mkdir', 1, { parent, name, mode: 0o755, uid: 0, gid: 0 })
      made++
    }
  }
  const streams = [make(0), make(1), make(2)]
  const request = { ino: parent, cookie: 0, limitBytes: 100_000 }
  for (let reading = 0; reading < 20; reading++) {
    await cluster.env.advance(7)
    const before = made
    const { payload } = await cluster.passing(cluster.ask('readdir', 1, request))
    const listed = entriesOfRecords(recordsOf(payload)).length
    t.true(listed >= before)
    const { attributes } = (await cluster.passing(cluster.ask('getattr', 1, { ino: parent }))).body
    t.true(attributes.size >= listed)
    t.true(made - before <= 6, `${made - before} directories were made before the listing`)
  }
  stopped = true
  await cluster.passing(Promise.all(streams))
  t.true(made > 20)
})
