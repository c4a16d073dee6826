import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { BenchOptions } from './bench.ts'
import { Failure } from './failure.ts'
import { checkOptions } from './run-bench.ts'

const plain: BenchOptions = {
  ...{ home: '/nowhere', volume: 'default', mpirun: 'mpirun', through: 'directory' },
  ...{ ranks: 2, results: 'kept' },
}

test('options that do not go together are refused before anything runs', t => {
  const refused: readonly [Partial<BenchOptions>, string | undefined, RegExp][] = [
    [{ through: 'library', io500: '/io500' }, undefined, /needs a directory/],
    [{ through: 'library', mounts: 2 }, undefined, /makes no mounts/],
    [{ through: 'library' }, '/mnt', /not \/mnt: leave it out, or name it with --compare/],
    [{ mounts: 2 }, '/mnt', /not \/mnt/],
    [{ mounts: 3 }, undefined, /3 mounts need as many ranks: raise --ranks/],
    [{ io500: '/io500', results: false }, '/mnt', /leave out --no-results/],
    [{ io500: '/io500', mounts: 2 }, undefined, /are for root/],
    [{ dropCaches: true }, '/mnt', /--drop-caches is for root/],
    [{ pfindQueue: 10 }, '/mnt', /are for the official io500/],
  ]
  for (const [options, directory, message] of refused) {
    const error = t.throws(() => checkOptions(directory, { ...plain, ...options }, false), {
      instanceOf: Failure,
      message,
    })
    t.is(error?.exitCode, 2)
  }
})

test('what goes together is taken', t => {
  t.notThrows(() => checkOptions('/mnt', plain, false))
  t.notThrows(() => checkOptions(undefined, { ...plain, through: 'library' }, false))
  t.notThrows(() => checkOptions(undefined, { ...plain, mounts: 2, io500: '/io500' }, true))
  t.notThrows(() => checkOptions('/mnt', { ...plain, io500: '/io500', pfindQueue: 10 }, false))
})

test('a run that is interrupted says by what, and leaves nothing', async t => {
  const main = join(import.meta.dirname, 'main.ts')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const directory = await mkdtemp(join(tmpdir(), 'rookery-bench-test-'))
    const args = ['bench', 'io500', directory, '--stonewall', '1', '--no-results']
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', data => {
      said += data
    })
    await once(child.stderr, 'data')
    child.kill(signal)
    const [code] = await once(child, 'close')
    t.deepEqual(said.split('\n').slice(-3), [
      'interrupted: removing its files',
      `rookery: interrupted by ${signal}: its files are removed`,
      '',
    ])
    t.is(code, 1)
    t.deepEqual(await readdir(directory), [])
    await rmdir(directory)
  }
})
