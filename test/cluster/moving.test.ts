import test from 'ava'
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
    await eventually(
      'the new server has its share',
      () => primaries(watch.view).has(added.id) && isSettled(watch.view),
    )
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
  try {
    await eventually('something is written', () => written.length > 10)
    const gone = await cluster.removeServer(1)
    const before = written.length
    await eventually('others serve all partitions', () => !primaries(watch.view).has(gone))
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
