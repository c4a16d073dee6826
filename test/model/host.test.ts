/** The model itself, against the file system of the host: what it expects of Rookery is what Linux does. */
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import test from 'ava'
import fc from 'fast-check'
import { apply } from './apply.ts'
import type { Call } from './calls.ts'
import { type Command, callOf, command, Knowledge } from './commands.ts'
import { Host } from './host.ts'
import { sameAnswers } from './linearize.ts'
import { parametersOf } from './parameters.ts'
import { World } from './world.ts'

const isRoot = process.getuid?.() === 0

/** Others than root may not give files away, and lose setuid at every write. */
function isForRoot({ kind, value }: Command): boolean {
  const special = value % 4 === 1 || value % 4 === 2
  return kind === 'chown' || ((kind === 'setattr' || kind === 'create') && special)
}

async function check(commands: readonly Command[]): Promise<number> {
  const top = await mkdtemp(`${tmpdir()}/rookery-model-`)
  const { ino, mode } = await stat(top)
  const world = World.empty(ino, mode & 0o7777)
  const known = new Knowledge(ino)
  const host = new Host(top, (seen, type) => known.saw(seen, type))
  const done: string[] = []
  try {
    for (const each of commands) {
      if (!isRoot && isForRoot(each)) continue
      const call = callOf(each, known)
      if (call === null) continue
      const line = await step(call, world, host, known)
      if (line !== null) done.push(line)
      if (line?.includes('the model')) throw new Error(done.join('\n'))
    }
    return done.length
  } finally {
    await host.close()
    await rm(top, { recursive: true })
  }
}

/** @returns what happened, or null when the host could not be asked. */
async function step(
  call: Call,
  world: World,
  host: Host,
  known: Knowledge,
): Promise<string | null> {
  const seen = await host.perform(call, world)
  if (seen === null) return null
  if (call.name === 'release') known.closing(call.ino)
  known.learn(call, seen)
  const expected = apply(world, call, { client: 'c', newIno: seen.ino ?? -1 })
  const line = `${JSON.stringify(call)} -> ${JSON.stringify(seen)}`
  return sameAnswers(expected, seen) ? line : `${line}, the model: ${JSON.stringify(expected)}`
}

/** Some file systems (btrfs) say 1 of every directory. */
async function countsDirectories(): Promise<boolean> {
  const top = await mkdtemp(`${tmpdir()}/rookery-model-`)
  try {
    await mkdir(`${top}/d`)
    return (await stat(top)).nlink === 3
  } finally {
    await rm(top, { recursive: true })
  }
}

test('the model answers as the file system of the host does', async t => {
  if (!(await countsDirectories())) {
    t.log('skipped: the file system of the host does not count links of directories')
    return t.pass()
  }
  const parameters = parametersOf(t.log, 150)
  const sequences = fc.array(command, { minLength: 1, maxLength: 40, size: 'max' })
  let calls = 0
  const run = async (commands: readonly Command[]) => {
    calls += await check(commands)
  }
  await fc.assert(fc.asyncProperty(sequences, run), parameters)
  t.true(calls > 10 * parameters.numRuns || parameters.path !== undefined)
  t.log(`${calls} calls`)
})
