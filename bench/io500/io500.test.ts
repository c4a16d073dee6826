import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { runPhases } from './conductor.ts'
import { phases, scoreOf } from './phases.ts'
import { DirectoryScene } from './scene.ts'
import { DirectoryTarget } from './target.ts'
import { find } from './workload/find.ts'
import { Pattern } from './workload/workload.ts'

const scratch = await mkdtemp(join(tmpdir(), 'rookery-io500-'))
test.after.always(() => rm(scratch, { recursive: true }))

function freshDirectory(): Promise<string> {
  return mkdtemp(join(scratch, 'test-'))
}

test('every phase gives a figure, and nothing is left behind', async t => {
  const directory = await freshDirectory()
  const told: string[] = []
  const results = await runPhases({
    scene: new DirectoryScene([directory]),
    ranks: 2,
    stonewallSeconds: 0.05,
    onPhase: ({ name }) => told.push(name),
  })
  t.deepEqual(
    told,
    phases.map(({ name }) => name),
  )
  for (const { name, value, seconds, count } of results) {
    t.true(value > 0 && Number.isFinite(value) && seconds > 0 && (count ?? 0) > 0, name)
  }
  const count = (name: string) => results.find(result => result.name === name)?.count
  t.is(count('mdtest-hard-delete'), count('mdtest-hard-write'), 'all that was made is removed')
  t.is(count('ior-hard-read'), count('ior-hard-write'), 'all that was written is read')
  t.is((count('mdtest-easy-write') ?? 1) % 2, 0, 'each rank does as much as the fastest')
  t.deepEqual(await readdir(directory), [])
})

test('a worker that fails ends the run with what it says', async t => {
  const full = {
    scene: new DirectoryScene(['/dev/null']),
    ...{ ranks: 1, stonewallSeconds: 0.01 },
  }
  await t.throwsAsync(runPhases(full), { code: 'ENOTDIR' })
})

test('an interrupted run stops and cleans up', async t => {
  const directory = await freshDirectory()
  const interrupted = new AbortController()
  const run = runPhases({
    scene: new DirectoryScene([directory]),
    ranks: 2,
    stonewallSeconds: 0.05,
    signal: interrupted.signal,
    onPhase: () => interrupted.abort(new Error('enough')),
  })
  await t.throwsAsync(run, { message: 'enough' })
  t.deepEqual(await readdir(directory), [])
})

test('a run whose worker ends says so and cleans up', async t => {
  const directory = await freshDirectory()
  class Ending extends DirectoryScene {
    override program() {
      return { script: join(import.meta.dirname, 'phases.ts'), args: [] }
    }
  }
  const run = runPhases({ scene: new Ending([directory]), ranks: 1, stonewallSeconds: 0.05 })
  await t.throwsAsync(run, { message: 'a worker ended before its time' })
  t.deepEqual(await readdir(directory), [])
})

test('the score is the geometric mean of the means of both kinds', t => {
  const value = (unit: string) => (unit === 'GiB/s' ? 4 : 9)
  const results = phases.map(({ name, unit }) => ({
    ...{ name, unit, value: value(unit) },
    ...{ seconds: 1, count: 1 },
  }))
  const { bandwidth, iops, total } = scoreOf(results)
  t.deepEqual(
    [bandwidth, iops, total].map(each => Math.round(each * 1e9) / 1e9),
    [4, 9, 6],
  )
})

test('data that is not what was written is told', t => {
  const pattern = new Pattern(100)
  const written = Buffer.from(pattern.of(1, 7))
  t.notThrows(() => pattern.verify(written, 1, 7))
  t.throws(() => pattern.verify(written, 0, 7), { message: /item 7 of rank 0/ })
  t.throws(() => pattern.verify(written, 1, 8))
  written[99]! ^= 1
  t.throws(() => pattern.verify(written, 1, 7))
})

test('find looks at every entry, and matches name, size and time', async t => {
  const target = new DirectoryTarget(await freshDirectory())
  const names = ['/ior-easy', '/ior-hard', '/mdtest-hard', '/mdtest-easy/dir.0']
  for (const name of names) target.makeDirectory(name)
  const rank = { rank: 0, ranks: 1, target }
  for (const [name, size] of [
    ['a01', 3901],
    ['b01', 3900],
    ['c02', 3901],
  ] as const) {
    const file = target.open(`/mdtest-hard/${name}`, 'create')
    file.write(new Uint8Array(size), 0)
    file.close()
  }
  t.deepEqual(await find(rank, 0), { seen: 3, matched: 1 })
  t.deepEqual(await find(rank, Date.now() + 60_000), { seen: 3, matched: 0 })
})

test('ranks take the mounts in turn', async t => {
  const directory = await freshDirectory()
  const alias = `${directory}-alias`
  await symlink(directory, alias)
  const scene = new DirectoryScene([directory, alias])
  await scene.open()
  const roots = [0, 1, 2].map(rank => scene.program(rank, 3).args[0] ?? '')
  t.true(roots[0]?.startsWith(`${directory}/`))
  t.true(roots[1]?.startsWith(`${alias}/`))
  t.is(roots[2], roots[0])
  t.deepEqual(await readdir(roots[1] ?? ''), ['ior-easy', 'ior-hard', 'mdtest-easy', 'mdtest-hard'])
  await scene.close()
  t.deepEqual(await readdir(directory), [])
})
