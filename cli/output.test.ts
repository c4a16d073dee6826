import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'ava'

const main = join(import.meta.dirname, 'main.ts')
const full = openSync('/dev/full', 'w')

type Output = 'pipe' | number

function start(args: readonly string[], stdout: Output, stderr: Output): ChildProcess {
  return spawn(process.execPath, args, { stdio: ['ignore', stdout, stderr] })
}

/** A process of ours that does what the lines say. */
function script(lines: string): readonly string[] {
  const module = (name: string): string => JSON.stringify(join(import.meta.dirname, name))
  const imports = `import { announce, outputTaken, watchOutput } from ${module('output.ts')}
    import { openLogger } from ${module('log.ts')}`
  return ['--input-type=module', '-e', `${imports}\n${lines}`]
}

async function said(output: ChildProcess['stdout']): Promise<string> {
  assert(output !== null)
  return await text(output)
}

test('a result for which there is no room is told, and fails', async t => {
  for (const args of [['--version'], ['up', '--help']]) {
    const child = start([main, ...args], full, 'pipe')
    const [complaint, [code]] = await Promise.all([said(child.stderr), once(child, 'exit')])
    t.is(complaint, 'rookery: standard output cannot be written (ENOSPC)\n')
    t.is(code, 1)
  }
})

test('a result whose reader has gone away ends quietly', async t => {
  const child = start([main, 'up', '--help'], 'pipe', 'pipe')
  child.stdout?.destroy()
  const [complaint, [code]] = await Promise.all([said(child.stderr), once(child, 'exit')])
  t.is(complaint, '')
  t.is(code, 0)
})

test('a complaint that nobody takes leaves the exit code as it is', async t => {
  t.deepEqual(await once(start([main, 'fly'], 'pipe', full), 'exit'), [2, null])
  const child = start([main, 'fly'], 'pipe', 'pipe')
  child.stderr?.destroy()
  t.deepEqual(await once(child, 'exit'), [2, null])
})

test('what is announced may be lost', async t => {
  const lines = `watchOutput()
    announce('up')
    announce('still up')
    await outputTaken()
    console.error('goes on')`
  t.is(await said(start(script(lines), full, 'pipe').stderr), 'goes on\n')
})

test('a log on a full disk ends nobody', async t => {
  const lines = `const log = openLogger('server', 'info')
    log.info('a')
    log.info('b')
    console.log('goes on')`
  t.is(await said(start(script(lines), 'pipe', full).stdout), 'goes on\n')
})
