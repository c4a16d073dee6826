import test, { type ExecutionContext } from 'ava'
import type { Connection, FileHandle } from '../../client/library.ts'
import { place } from '../../network/placement/placement.ts'
import type { View } from '../../network/wire/view.ts'
import { eventually } from './eventually.ts'
import { InProcessCluster } from './in-process.ts'

function primaries(view: View): Set<string | null> {
  return new Set(view.partitions.map(({ primary }) => primary))
}

/** Whether every partition is where its placement wants it, and nothing else holds it. */
function isSettled(view: View): boolean {
  const members = view.members.filter(({ role }) => role === 'server')
  const { partitions, replicaCount } = view
  const wanted = place({ members, partitionCount: partitions.length, replicaCount })
  return partitions.every(
    ({ replicas, inSync }, partition) =>
      replicas.toSorted().join() === wanted[partition]!.toSorted().join() &&
      inSync.length === replicaCount,
  )
}

const data = Buffer.alloc(300_000, 'x')

/** A cluster whose files are written all the while: some that are there from the beginning, one that is open, and new ones. */
class Busy {
  readonly cluster: InProcessCluster
  readonly files: Connection
  /** Names, in order, each with its number in it. */
  readonly written: string[] = []
  readonly #directories: number
  readonly #held: FileHandle

  private constructor(
    cluster: InProcessCluster,
    files: Connection,
    { directories, held }: { readonly directories: number; readonly held: FileHandle },
  ) {
    this.cluster = cluster
    this.files = files
    this.#directories = directories
    this.#held = held
  }

  static async start(cluster: InProcessCluster, directories: number): Promise<Busy> {
    const files = await cluster.connect()
    for (let index = 0; index < directories; index++) {
      await files.mkdir(`/d${index}`)
      await files.writeFile(`/d${index}/f`, contentOf(index))
    }
    const held = await files.open('/d0/f', 'r+')
    await held.sync()
    return new Busy(cluster, files, { directories, held })
  }

  /** Writes one file after the other until `meanwhile` has ended; `write` says by which name it is found. */
  async during(
    write: (index: number, directory: (index: number) => string) => Promise<string>,
    meanwhile: () => Promise<void>,
  ): Promise<void> {
    let stop = false
    const directory = (index: number) => `/d${index % this.#directories}`
    const working = (async () => {
      for (let index = 0; !stop; index++) {
        this.written.push(await write(index, directory))
        if (index % 5 === 0) await this.#held.sync()
      }
    })()
    try {
      await meanwhile()
    } finally {
      stop = true
      await working
    }
  }

  /** Everything is there as it was written, and a check finds no fault. */
  async assertWhole(t: ExecutionContext): Promise<void> {
    for (let index = 0; index < this.#directories; index++) {
      t.deepEqual(await this.files.readFile(`/d${index}/f`), contentOf(index))
    }
    for (const [index, name] of this.written.entries()) {
      t.is((await this.files.readFile(name)).toString(), `content ${index}`)
    }
    await this.#held.sync()
    await this.#held.close()
    const report = await this.cluster.check({ data: true })
    t.deepEqual(report.findings, [])
  }
}

function contentOf(index: number): Buffer {
  return Buffer.concat([data, Buffer.from(`${index}`)])
}

test('partitions go to a server that joins while files are written, read and renamed', async t => {
  t.timeout(180_000)
  await using cluster = await InProcessCluster.start(2, undefined, 16)
  const busy = await Busy.start(cluster, 12)
  const watch = await cluster.client()
  const added = await cluster.addServer()
  const { files } = busy
  const write = async (index: number, directory: (index: number) => string) => {
    const name = `${directory(index)}/n${index}`
    const renamed = `${directory(index + 1)}/m${index}`
    await files.writeFile(name, `content ${index}`)
    await files.rename(name, renamed)
    return renamed
  }
  await busy.during(write, () =>
    eventually(
      'the new server has its share',
      () => primaries(watch.view).has(added.id) && isSettled(watch.view),
    ),
  )
  await busy.assertWhole(t)
})

test('with two replicas a server may go, and nothing that was acknowledged goes with it', async t => {
  t.timeout(180_000)
  await using cluster = await InProcessCluster.start(3, undefined, 16, 2)
  const busy = await Busy.start(cluster, 6)
  const watch = await cluster.client()
  const { files, written } = busy
  const write = async (index: number, directory: (index: number) => string) => {
    const name = `${directory(index)}/n${index}`
    await files.writeFile(name, `content ${index}`)
    return name
  }
  await busy.during(write, async () => {
    await eventually('something is written', () => written.length > 10)
    const gone = await cluster.removeServer(1)
    const before = written.length
    await eventually('others serve all partitions', () => !primaries(watch.view).has(gone))
    await eventually('writing goes on', () => written.length > before + 10)
  })
  await busy.assertWhole(t)
})

for (const restarted of [false, true]) {
  const when = restarted ? ', and all servers are started again' : ''
  test(`nothing is lost when the manager's state is put back from a copy of before a move${when}`, async t => {
    t.timeout(180_000)
    await using cluster = await InProcessCluster.start(2, undefined, 16)
    const busy = await Busy.start(cluster, 12)
    const watch = await cluster.client()
    const putBack = await cluster.copyManager()
    const added = await cluster.addServer()
    await eventually(
      'the new server has its share',
      () => primaries(watch.view).has(added.id) && isSettled(watch.view),
    )
    const { files } = busy
    const write = async (index: number, directory: (index: number) => string) => {
      const name = `${directory(index)}/n${index}`
      await files.writeFile(name, `content ${index}`)
      return name
    }
    await busy.during(write, () =>
      eventually('something is written', () => busy.written.length > 50),
    )
    const { epoch } = watch.view
    await putBack(async () => {
      if (restarted) await cluster.stopServers()
    })
    if (restarted) await cluster.startServers()
    await cluster.addServer()
    await eventually(
      'the view has moved on',
      () => watch.view.epoch > epoch && isSettled(watch.view),
    )
    await busy.assertWhole(t)
  })
}
