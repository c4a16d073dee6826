/** A check of a cluster that is in use finds nothing that is not there. */
import test from 'ava'
import type { Connection } from '../../client/library.ts'
import { bytesOf, chance } from '../posix/bytes.ts'
import { distinct, isClean, startFilled } from './damaged-cluster.ts'

const seed = Number(process.env.FSCK_SEED ?? Date.now() % 1_000_000)

/** Makes, links, moves and removes names in a few directories, and writes what they lead to. */
async function work(
  files: Connection,
  next: (below: number) => number,
  stopped: () => boolean,
): Promise<number> {
  const directories = ['/outer', '/outer/inner', '/outer/inner/deep', '/other']
  const path = () => `${directories[next(directories.length)]}/w${next(12)}`
  const data = bytesOf(2, 300_000)
  const acts = [
    () => files.writeFile(path(), data.subarray(0, next(2) === 0 ? 100 : 300_000)),
    () => files.link(path(), path()),
    () => files.rename(path(), path()),
    () => files.rename(path(), path()),
    () => files.unlink(path()),
    () => files.mkdir(path()),
    () => files.rmdir(path()),
    () => files.truncate(path(), next(200_000)),
    () => files.appendFile(path(), data.subarray(0, 50_000)),
  ]
  let done = 0
  while (!stopped()) {
    // Most meet names that are not there, or are there already.
    await acts[next(acts.length)]!().then(
      () => done++,
      () => undefined,
    )
  }
  return done
}

test('a cluster in use has no faults, and a check in between repairs nothing', async t => {
  t.log(`FSCK_SEED=${seed}`)
  await using cluster = await startFilled()
  let going = true
  const workers: Promise<number>[] = []
  for (let worker = 0; worker < 4; worker++) {
    workers.push(work(await cluster.connect(), chance(seed + worker), () => !going))
  }
  for (let round = 0; round < 6; round++) {
    const report = await cluster.check({ data: true, repair: round % 2 === 1 })
    t.deepEqual(report.findings, [], `round ${round}`)
  }
  going = false
  const done = await Promise.all(workers)
  t.log(`${done.reduce((sum, count) => sum + count, 0)} operations meanwhile`)
  t.true(done.every(count => count > 0))
  t.deepEqual(distinct(await isClean(t, cluster)), [])
})
