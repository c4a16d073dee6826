import test from 'ava'
import { SimulatedEnv } from '../../network/env/simulated.ts'
import { kernelKeepsMs, kernelKeepsNamesMs, kernelSpareMs } from '../../network/limits.ts'
import { entryHash } from '../../network/placement/locate.ts'
import { KernelNames } from './kernel-names.ts'

const name = Buffer.from('name')
const other = Buffer.from('other')
const called = (parent: number, of: Uint8Array) => ({
  inodes: [],
  names: [{ parent, hash: entryHash(of) }],
})
const allMs = kernelKeepsNamesMs + kernelSpareMs

function setUp(limit?: number) {
  const env = new SimulatedEnv({ seed: 1 })
  const names = new KernelNames(env, limit)
  /** How long it takes. */
  const lastsMs = async (step: Promise<void>): Promise<number> => {
    let isDone = false
    void step.then(() => {
      isDone = true
    })
    for (let ms = 0; ; ms++) {
      await env.advance(0)
      if (isDone) return ms
      await env.advance(1)
    }
  }
  return { env, names, lastsMs }
}

test('a name is told for a short time, and who calls it back waits until that is over', async t => {
  const { env, names, lastsMs } = setUp()
  t.is(names.tell(1, name, 7, kernelKeepsMs), kernelKeepsNamesMs)
  t.is(await lastsMs(names.outwait(called(1, other))), 0)
  t.is(await lastsMs(names.outwait(called(2, name))), 0)
  t.is(await lastsMs(names.outwait({ inodes: [1, 7], names: [] })), 0)
  await env.advance(1)
  t.is(await lastsMs(names.outwait(called(1, name))), allMs - 1)
  t.is(names.tell(1, name, 7, 0), 0)
  t.is(await lastsMs(names.outwait(called(1, name))), 0)
})

test('what is told last for less time does not shorten what was told before', async t => {
  const { names, lastsMs } = setUp()
  names.tell(1, name, 7, kernelKeepsMs)
  t.is(names.tell(1, name, 7, 1), 1)
  t.is(await lastsMs(names.outwait(called(1, name))), allMs)
})

test('that a directory lacks a name is called back with the directory', async t => {
  const { names, lastsMs } = setUp()
  names.tell(1, name, 0, kernelKeepsMs, true)
  t.is(await lastsMs(names.outwait({ inodes: [1], names: [] })), allMs)
})

test('a name that was moved is called back under the new one, if that is leased, else waited for', async t => {
  for (const leasedMs of [kernelKeepsMs, 1, 0]) {
    const { names, lastsMs } = setUp()
    names.tell(1, name, 7, kernelKeepsMs)
    const [from, to] = [
      { parent: 1, name },
      { parent: 2, name: other },
    ]
    const moved = names.moved([{ from, to }], async (place, ino) => {
      t.deepEqual([place, ino], [to, 7])
      return leasedMs
    })
    t.is(await lastsMs(moved), leasedMs >= kernelKeepsNamesMs ? 0 : allMs)
    const left = leasedMs >= kernelKeepsNamesMs ? allMs : 0
    t.is(await lastsMs(names.outwait(called(2, other))), left)
  }
})

test('a name that was not there, and was made since, is moved as what was made', async t => {
  const { names, lastsMs } = setUp()
  names.tell(1, name, 0, kernelKeepsMs)
  t.is(names.tell(1, name, 7, 0), 0)
  const move = { from: { parent: 1, name }, to: { parent: 1, name: other } }
  const moved = names.moved([move], async (_, ino) => {
    t.is(ino, 7)
    return kernelKeepsMs
  })
  t.is(await lastsMs(moved), 0)
  t.is(await lastsMs(names.outwait(called(1, other))), allMs)
})

test('who moves a name is not kept for longer than it holds, though nobody answers', async t => {
  const { names, lastsMs } = setUp()
  names.tell(1, name, 7, kernelKeepsMs)
  const move = { from: { parent: 1, name }, to: { parent: 1, name: other } }
  t.is(await lastsMs(names.moved([move], () => new Promise(() => undefined))), allMs)
})

test('names that change places are called back under both', async t => {
  const { names, lastsMs } = setUp()
  const [one, two] = [
    { parent: 1, name },
    { parent: 1, name: other },
  ]
  names.tell(1, name, 7, kernelKeepsMs)
  names.tell(1, other, 8, kernelKeepsMs)
  const asked: unknown[] = []
  const moves = [
    { from: one, to: two },
    { from: two, to: one },
  ]
  await names.moved(moves, async (place, ino) => {
    asked.push([place, ino])
    return kernelKeepsMs
  })
  t.deepEqual(asked, [
    [two, 7],
    [one, 8],
  ])
  t.is(await lastsMs(names.outwait(called(1, name))), allMs)
})

test('of names that are too many to remember the last time counts', async t => {
  const { env, names, lastsMs } = setUp(2)
  names.tell(1, name, 7, kernelKeepsMs)
  await env.advance(10)
  for (const at of ['a', 'b', 'c']) names.tell(1, Buffer.from(at), 7, kernelKeepsMs)
  t.is(names.size, 2)
  t.is(await lastsMs(names.outwait(called(1, name))), allMs)
  names.tell(1, other, 7, kernelKeepsMs)
  t.is(names.size, 1, 'what is over is forgotten')
})
