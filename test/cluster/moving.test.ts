import test from 'ava'
import { eventually } from './eventually.ts'
import { InProcessCluster } from './in-process.ts'

function shares({
  view,
}: {
  readonly view: { partitions: readonly { primary: string | null }[] }
}) {
  const counts = new Map<string, number>()
  for (const { primary } of view.partitions) {
    counts.set(primary ?? '', (counts.get(primary ?? '') ?? 0) + 1)
  }
  return counts
}

function isSettled({
  view,
}: {
  readonly view: {
    replicaCount: number
    partitions: readonly { replicas: readonly string[]; inSync: readonly string[] }[]
  }
}): boolean {
  return view.partitions.every(
    ({ replicas, inSync }) =>
      replicas.length === view.replicaCount && inSync.length === view.replicaCount,
  )
}

test('partitions go to a server that joins while files are written, read and renamed', async t => {
  t.timeout(180_000)
  await using cluster = await InProcessCluster.start(2, undefined, 16)
  const files = await cluster.connect()
  const watch = await cluster.client()
  const data = Buffer.alloc(300_000, 'x')
  for (let index = 0; index < 12; index++) {
    await files.mkdir(`/d${index}`)
    await files.writeFile(`/d${index}/f`, Buffer.concat([data, Buffer.from(`${index}`)]))
  }
  const held = await files.open('/d0/f', 'r+')
  const added = await cluster.addServer()
  let stop = false
  const written: string[] = []
  const working = (async () => {
    for (let index = 0; !stop; index++) {
      const name = `/d${index % 12}/n${index}`
      await files.writeFile(name, `content ${index}`)
      await files.rename(name, `/d${(index + 1) % 12}/m${index}`)
      written.push(`/d${(index + 1) % 12}/m${index}`)
      if (index % 5 === 0) await held.sync()
    }
  })()
  try {
    await eventually('the new server has its share', () => {
      const count = shares(watch).get(added.id) ?? 0
      return Promise.resolve(count >= 3 && isSettled(watch))
    })
  } finally {
    stop = true
    await working
  }
  for (let index = 0; index < 12; index++) {
    const found = await files.readFile(`/d${index}/f`)
    t.deepEqual(found, Buffer.concat([data, Buffer.from(`${index}`)]))
  }
  for (const [index, name] of written.entries()) {
    t.is((await files.readFile(name)).toString(), `content ${index}`)
  }
  await held.sync()
  await held.close()
  const report = await cluster.check({ data: true })
  t.deepEqual(report.findings, [])
})

test('with two replicas a server may go, and nothing that was acknowledged goes with it', async t => {
  t.timeout(180_000)
  await using cluster = await InProcessCluster.start(3, undefined, 16, 2)
  const files = await cluster.connect()
  const watch = await cluster.client()
  const data = Buffer.alloc(300_000, 'x')
  for (let index = 0; index < 6; index++) {
    await files.mkdir(`/d${index}`)
    await files.writeFile(`/d${index}/f`, Buffer.concat([data, Buffer.from(`${index}`)]))
  }
  const held = await files.open('/d0/f', 'r+')
  await held.sync()
  let stop = false
  const written: string[] = []
  const working = (async () => {
    for (let index = 0; !stop; index++) {
      await files.writeFile(`/d${index % 6}/n${index}`, `content ${index}`)
      written.push(`/d${index % 6}/n${index}`)
      if (index % 5 === 0) await held.sync()
    }
  })()
  const servers = watch.view.members.filter(({ role }) => role === 'server').length
  try {
    await eventually('something is written', () => written.length > 10)
    await cluster.removeServer(1)
    const before = written.length
    await eventually('others serve all partitions', () => shares(watch).size === servers - 1)
    await eventually('writing goes on', () => written.length > before + 10)
  } finally {
    stop = true
    await working
  }
  for (let index = 0; index < 6; index++) {
    const found = await files.readFile(`/d${index}/f`)
    t.deepEqual(found, Buffer.concat([data, Buffer.from(`${index}`)]))
  }
  for (const [index, name] of written.entries()) {
    t.is((await files.readFile(name)).toString(), `content ${index}`)
  }
  await held.sync()
  await held.close()
  const report = await cluster.check({ data: true })
  t.deepEqual(report.findings, [])
})
