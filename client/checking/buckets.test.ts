import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { encodeFacts, type Fact, factKind } from '../../network/checking/facts.ts'
import { checkBucketInodes, checkBufferBytes } from '../../network/limits.ts'
import { makeIno } from '../../network/wire/ids.ts'
import { FactBuckets } from './buckets.ts'

async function scratch(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-buckets-'))
  t.teardown(() => rm(directory, { recursive: true }))
  return directory
}

function factsOf(count: number): Fact[] {
  return Array.from({ length: count }, (_, index) => ({
    kind: factKind.inline,
    ino: makeIno(index % 5, 16 + Math.floor(index / 10)),
    a: index,
    b: -index,
    c: 0.5,
  }))
}

async function everything(buckets: FactBuckets): Promise<Fact[]> {
  const found: Fact[] = []
  const seen = new Map<number, number>()
  for (let index = 0; index < buckets.count; index++) {
    await buckets.read(index, fact => {
      found.push(fact)
      if (seen.has(fact.ino) && seen.get(fact.ino) !== index) throw new Error('in two buckets')
      seen.set(fact.ino, index)
    })
  }
  return found.sort((x, y) => x.a - y.a)
}

test('few facts stay in memory, and leave no file', async t => {
  const directory = await scratch(t)
  const buckets = new FactBuckets(directory, 10)
  const facts = factsOf(100)
  await buckets.add(encodeFacts(facts))
  t.deepEqual(await everything(buckets), facts)
  t.deepEqual(await readdir(directory), [])
  await buckets.remove()
})

test('many facts go to files, all of one inode to the same, and the files go', async t => {
  const directory = await scratch(t)
  const buckets = new FactBuckets(directory, 3 * checkBucketInodes)
  t.is(buckets.count, 3)
  const facts = factsOf((10 * checkBufferBytes) / 40)
  const halves = [facts.slice(0, 2000), facts.slice(2000)].map(encodeFacts)
  await Promise.all(halves.map(half => buckets.add(half)))
  t.deepEqual(await everything(buckets), facts)
  t.is((await readdir(directory)).length, 3)
  await buckets.remove()
  t.deepEqual(await readdir(directory), [])
})
