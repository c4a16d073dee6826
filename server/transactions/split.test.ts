/** Directories that are split while they are used, against a model that knows nothing of it. */
import test, { type ExecutionContext } from 'ava'
import { SeededRandom } from '../../network/env/xoshiro.ts'
import { PosixError } from '../../network/errors.ts'
import { partitionsOf } from '../../network/placement/shards.ts'
import { fileType } from '../../network/wire/attributes.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import { type Acl, aclTag, encodeAcl, noId } from '../../network/wire/posix-acl.ts'
import { defaultAclName, xattrFlag } from '../../network/wire/xattr-names.ts'
import { faultsIn } from '../testing/checker.ts'
import { TestCluster } from '../testing/cluster.ts'
import { NameRoutes } from '../testing/name-routes.ts'
import { makeDirectory, makeFile, nameOf } from '../testing/tree.ts'

const splitEntries = 12

async function makeCluster(seed: number, more: { readonly slowestMs?: number } = {}) {
  const cluster = new TestCluster({ seed, servers: 3, partitions: 8, splitEntries, ...more })
  await cluster.start()
  const wide = await makeDirectory(cluster, clusterRootIno, 'wide')
  return { cluster, wide }
}

async function getattr(cluster: TestCluster, ino: Ino) {
  const asked = cluster.ask('getattr', partitionOfIno(ino), { ino })
  return (await asked).body.attributes
}

function splitCount(cluster: TestCluster): number {
  let count = 0
  for (const { splitter } of cluster.servers.values()) count += splitter.doneCount
  return count
}

function textOf(name: Uint8Array): string {
  return Buffer.from(name).toString()
}

function checkWhole(t: ExecutionContext, cluster: TestCluster): void {
  t.deepEqual(faultsIn(cluster.contents.values()), [])
  for (const server of cluster.servers.values()) t.is(server.locksHeld, 0)
}

test('a directory that grows is split over all servers, and shows what it did before', async t => {
  const { cluster, wide } = await makeCluster(1)
  const all = Array.from({ length: 400 }, (_, index) => `file${index}`)
  const inos = new Map<string, Ino>()
  for (const name of all) inos.set(name, await makeFile(cluster, wide, name))
  await cluster.env.advance(5_000)
  const { shards } = (await cluster.ask('shards', partitionOfIno(wide), { ino: wide })).body
  t.deepEqual([...shards], [...Array(64).keys()])
  t.is(partitionsOf(wide, shards, 8).size, 8)
  const listed = await cluster.passing(cluster.names.list(wide, 300))
  t.deepEqual(listed.map(({ name }) => textOf(name)).sort(), [...all].sort())
  const cookies = listed.map(({ cookie }) => cookie)
  t.deepEqual(
    cookies,
    [...cookies].sort((a, b) => a - b),
  )
  for (const name of all) {
    const found = await cluster.passing(cluster.names.lookup(wide, nameOf(name)))
    t.is(found.body.ino, inos.get(name)!)
  }
  t.is((await cluster.passing(getattr(cluster, wide))).size, 400)
  checkWhole(t, cluster)
})

/** What a directory should hold, and what it should say of itself. */
class Model {
  readonly entries = new Map<string, number>()

  get size(): number {
    return this.entries.size
  }

  get nlink(): number {
    let count = 2
    for (const type of this.entries.values()) if (type === fileType.directory) count++
    return count
  }
}

/** One client that does anything to the directory, one thing after the other. */
class Actor {
  readonly #cluster: TestCluster
  readonly #wide: Ino
  readonly #random: SeededRandom
  readonly #model: Model
  readonly #prefix: string
  readonly routes: NameRoutes

  constructor(cluster: TestCluster, wide: Ino, seed: number, model: Model) {
    this.#cluster = cluster
    this.#wide = wide
    this.#random = new SeededRandom(seed)
    this.#model = model
    this.#prefix = `${seed}.`
    this.routes = new NameRoutes(cluster)
  }

  /** @returns what it found wrong. */
  async act(): Promise<string | null> {
    const name = `${this.#prefix}${this.#random.integer(120)}`
    const choice = this.#random.integer(20)
    const type = this.#model.entries.get(name)
    const expected = this.#expected(choice, type)
    const outcome = await this.#do(choice, name, type).catch(error => {
      if (error instanceof PosixError) return error.code
      throw error
    })
    return outcome === expected ? null : `${choice} of ${name}: ${outcome}, not ${expected}`
  }

  #expected(choice: number, type: number | undefined): string {
    if (choice < 9) return type === undefined ? 'done' : 'EEXIST'
    return type === undefined ? 'ENOENT' : 'done'
  }

  async #do(choice: number, name: string, type: number | undefined): Promise<string> {
    const parent = this.#wide
    const { entries } = this.#model
    const named = { parent, name: nameOf(name) }
    const owner = { uid: 0, gid: 0 }
    if (choice < 7) {
      const rest = { rdev: 0, target: new Uint8Array(0), exclusive: true, open: false }
      await this.routes.mutate('create', { ...named, ...owner, mode: 0o100644, ...rest })
      entries.set(name, fileType.regular)
    } else if (choice < 9) {
      await this.routes.mutate('mkdir', { ...named, ...owner, mode: 0o755 })
      entries.set(name, fileType.directory)
    } else if (choice < 13) {
      const operation = type === fileType.directory ? 'rmdir' : 'unlink'
      await this.routes.mutate(operation, named)
      entries.delete(name)
    } else if (choice < 16) {
      const newName = `${this.#prefix}new.${this.#random.integer(1_000_000)}`
      const to = { newParent: parent, newName: nameOf(newName), flags: 0 }
      await this.routes.mutate('rename', { ...named, ...to })
      entries.delete(name)
      entries.set(newName, type!)
    } else {
      const { body } = await this.routes.lookup(parent, named.name)
      if (body.ino === 0) return 'ENOENT'
    }
    return 'done'
  }

  /** Attributes are those of the moment when nobody else acts. */
  async check(t: ExecutionContext): Promise<void> {
    const { size, nlink } = await getattr(this.#cluster, this.#wide)
    t.is(size, this.#model.size)
    t.is(nlink, this.#model.nlink)
  }
}

for (const seed of [1, 2, 3]) {
  test(`one client sees a directory that is split as it sees any other: seed ${seed}`, async t => {
    const { cluster, wide } = await makeCluster(seed, { slowestMs: 2 })
    const model = new Model()
    const actor = new Actor(cluster, wide, seed, model)
    const run = async () => {
      let last = 0n
      for (let step = 0; step < 250; step++) {
        const wrong = await actor.act()
        if (wrong !== null) t.fail(wrong)
        await actor.check(t)
        const { change } = await getattr(cluster, wide)
        t.true(BigInt(change) >= last)
        last = BigInt(change)
      }
      const listed = await actor.routes.list(wide, 200)
      const found = listed.map(({ name, type }) => [textOf(name), type] as const)
      t.deepEqual(found.sort(), [...model.entries].sort())
    }
    await cluster.passing(run())
    await cluster.env.advance(5_000)
    t.true(splitCount(cluster) > 0)
    checkWhole(t, cluster)
  })
}

for (const seed of [1, 2, 3]) {
  test(`what stays is listed exactly once while clients change the rest: seed ${seed}`, async t => {
    const { cluster, wide } = await makeCluster(seed, { slowestMs: 3 })
    const staying = Array.from({ length: 40 }, (_, index) => `stays${index}`)
    for (const name of staying) await makeFile(cluster, wide, name)
    const model = new Model()
    for (const name of staying) model.entries.set(name, fileType.regular)
    const actors = [10, 20, 30].map(each => new Actor(cluster, wide, seed + each, model))
    let ended = false
    const acting = actors.map(async actor => {
      for (let step = 0; step < 100; step++) {
        const wrong = await actor.act()
        if (wrong !== null) t.fail(wrong)
      }
    })
    const lister = new NameRoutes(cluster)
    const listing = async () => {
      for (let rounds = 0; !ended || rounds === 0; rounds++) {
        const listed = await lister.list(wide, 60, () => cluster.env.timers.sleep(1))
        await cluster.env.timers.sleep(1)
        const names = listed.map(({ name }) => textOf(name))
        for (const name of staying) t.is(names.filter(each => each === name).length, 1, name)
        t.is(new Set(listed.map(({ cookie }) => cookie)).size, listed.length)
      }
    }
    const end = async () => {
      await Promise.all(acting).finally(() => {
        ended = true
      })
    }
    await cluster.passing(Promise.all([end(), listing()]))
    await cluster.passing(actors[0]!.check(t))
    await cluster.env.advance(5_000)
    t.true(splitCount(cluster) > 0)
    checkWhole(t, cluster)
  })
}

test('a client with an old map is corrected, and then goes the right way at once', async t => {
  const { cluster, wide } = await makeCluster(7)
  const stale = new NameRoutes(cluster)
  for (let index = 0; index < 30; index++) await makeFile(cluster, wide, `early${index}`)
  await cluster.env.advance(5_000)
  await cluster.passing(stale.list(wide, 1000))
  t.true(stale.misplaced > 0)
  for (let index = 0; index < 200; index++) await makeFile(cluster, wide, `late${index}`)
  await cluster.env.advance(5_000)
  const before = stale.misplaced
  for (let index = 0; index < 200; index++) {
    await cluster.passing(stale.lookup(wide, nameOf(`late${index}`)))
  }
  t.true(stale.misplaced - before <= 2)
  const again = stale.misplaced
  for (let index = 0; index < 200; index++) {
    await cluster.passing(stale.lookup(wide, nameOf(`late${index}`)))
  }
  t.is(stale.misplaced, again)
})

test('attributes of a split directory are set for all shards, and stay until it changes again', async t => {
  const { cluster, wide } = await makeCluster(3)
  for (let index = 0; index < 100; index++) await makeFile(cluster, wide, `f${index}`)
  await cluster.env.advance(5_000)
  const home = partitionOfIno(wide)
  const past = { ino: wide, mode: 0o2770, gid: 77, mtimeNs: -5n, atimeNs: 9n }
  const set = await cluster.passing(cluster.mutate('setattr', home, past))
  const seen = await cluster.passing(getattr(cluster, wide))
  // That there are no extended attributes not all replies say.
  t.deepEqual(seen, { ...set.body.attributes, xattrFlags: xattrFlag.none })
  t.like(seen, { mode: 0o42770, gid: 77, mtimeNs: -5n, atimeNs: 9n, size: 100 })
  for (let index = 0; index < 20; index++) {
    const name = nameOf(`new${index}`)
    const request = { parent: wide, name, mode: 0o100644, uid: 1, gid: 1, rdev: 0 }
    const rest = { target: new Uint8Array(0), exclusive: true, open: false }
    const made = await cluster.passing(cluster.names.mutate('create', { ...request, ...rest }))
    t.is(made.body.attributes.gid, 77)
    const now = await cluster.passing(getattr(cluster, wide))
    t.is(now.size, 101 + index)
    t.true(now.mtimeNs > 0n && now.ctimeNs >= seen.ctimeNs && now.change > seen.change)
  }
  await t.throwsAsync(cluster.passing(cluster.mutate('setattr', home, { ino: wide, size: 0 })), {
    message: /EISDIR/,
  })
  await cluster.env.advance(5_000)
  checkWhole(t, cluster)
})

test('what a shard has lost with its power its directory does not go on counting', async t => {
  const { cluster, wide } = await makeCluster(7)
  const serverOf = (ino: Ino) => cluster.view.partitions[partitionOfIno(ino)]!.primary!
  const count = async () => (await cluster.passing(getattr(cluster, wide))).size
  for (let index = 0; index < 100; index++) await makeFile(cluster, wide, `file${index}`)
  await cluster.env.advance(5_000)
  for (const { metadata } of cluster.servers.values()) await cluster.passing(metadata.sync())
  t.is(await count(), 100)
  let made = 0
  let server = serverOf(wide)
  for (; server === serverOf(wide); made++) {
    server = serverOf(await makeFile(cluster, wide, `late${made}`))
  }
  t.is(await count(), 100 + made)
  cluster.losePower([server])
  await cluster.startServer(server)
  await cluster.env.advance(1_000)
  t.is(await count(), 100 + made - 1)
  checkWhole(t, cluster)
})

test('a default ACL and a chmod reach what is made in every shard', async t => {
  const { cluster, wide } = await makeCluster(4)
  for (let index = 0; index < 60; index++) await makeFile(cluster, wide, `f${index}`)
  await cluster.env.advance(5_000)
  const modeOfNew = async (name: string) => {
    const request = { parent: wide, name: nameOf(name), mode: 0o100666, umask: 0o077 }
    const rest = { uid: 1, gid: 1, rdev: 0, target: new Uint8Array(0) }
    const flags = { exclusive: true, open: false }
    const made = cluster.names.mutate('create', { ...request, ...rest, ...flags })
    return (await cluster.passing(made)).body.attributes.mode & 0o777
  }
  const home = partitionOfIno(wide)
  const acl: Acl = [
    { tag: aclTag.userObject, permissions: 6, id: noId },
    { tag: aclTag.groupObject, permissions: 4, id: noId },
    { tag: aclTag.other, permissions: 4, id: noId },
  ]
  const named = { ino: wide, name: Buffer.from(defaultAclName) }
  const set = { ...named, value: encodeAcl(acl), flags: 0 }
  t.is(await modeOfNew('before'), 0o600)
  const before = await cluster.passing(getattr(cluster, wide))
  await cluster.passing(cluster.mutate('setxattr', home, set))
  const after = await cluster.passing(getattr(cluster, wide))
  t.true(after.change > before.change && after.mtimeNs === before.mtimeNs)
  for (let index = 0; index < 20; index++) t.is(await modeOfNew(`with${index}`), 0o644)
  await cluster.passing(cluster.mutate('removexattr', home, named))
  for (let index = 0; index < 20; index++) t.is(await modeOfNew(`without${index}`), 0o600)
  await cluster.env.advance(5_000)
  checkWhole(t, cluster)
})

test('a chmod comes to its end, however many rename in the directory all the time', async t => {
  const { cluster, wide } = await makeCluster(11, { slowestMs: 3 })
  for (let index = 0; index < 200; index++) await makeFile(cluster, wide, `file${index}`)
  await cluster.env.advance(5_000)
  let ended = false
  const renaming = Array.from({ length: 12 }, async (_, index) => {
    let name = `file${index}`
    for (let round = 0; !ended; round++) {
      const newName = `renamed${index}.${round}`
      const to = { newParent: wide, newName: nameOf(newName), flags: 0 }
      await cluster.names.mutate('rename', { parent: wide, name: nameOf(name), ...to })
      name = newName
    }
  })
  const startMs = cluster.env.clock.monotonicMs()
  for (const mode of [0o700, 0o750, 0o755]) {
    const changed = cluster.mutate('setattr', partitionOfIno(wide), { ino: wide, mode })
    t.is((await cluster.passing(changed)).body.attributes.mode & 0o777, mode)
  }
  // Before, each took some seconds of losing against the renames.
  t.true(cluster.env.clock.monotonicMs() - startMs < 1_000)
  ended = true
  await cluster.passing(Promise.all(renaming))
  await cluster.env.advance(5_000)
  checkWhole(t, cluster)
})

test('a split directory goes when all its shards are empty, and nothing comes into it then', async t => {
  const { cluster, wide } = await makeCluster(5, { slowestMs: 2 })
  const names = Array.from({ length: 100 }, (_, index) => nameOf(`f${index}`))
  for (const name of names) await makeFile(cluster, wide, textOf(name))
  await cluster.env.advance(5_000)
  const root = { parent: clusterRootIno, name: nameOf('wide') }
  const remove = () => cluster.passing(cluster.names.mutate('rmdir', root))
  for (const name of names) {
    await t.throwsAsync(remove(), { message: /ENOTEMPTY/ })
    await cluster.passing(cluster.names.mutate('unlink', { parent: wide, name }))
  }
  const racing = new NameRoutes(cluster)
  const made = cluster.passing(
    Promise.allSettled([
      cluster.names.mutate('rmdir', root),
      ...names.slice(0, 10).map(name => {
        const request = { parent: wide, name, mode: 0o100644, uid: 1, gid: 1, rdev: 0 }
        const rest = { target: new Uint8Array(0), exclusive: true, open: false }
        return racing.mutate('create', { ...request, ...rest })
      }),
    ]),
  )
  const [removed, ...created] = await made
  const came = created.some(({ status }) => status === 'fulfilled')
  t.is(removed!.status, came ? 'rejected' : 'fulfilled')
  await cluster.env.advance(5_000)
  checkWhole(t, cluster)
})
