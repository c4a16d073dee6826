import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { lifelineVariable, readLifeline } from './lifeline.ts'

const module = JSON.stringify(join(import.meta.dirname, 'lifeline.ts'))

/** A child that prints why it was asked to stop, and then ends. */
function child(script: string, supervised: boolean): ChildProcess {
  const lines = `import { stopRequest, tellSupervisor } from ${module}\n${script}`
  return spawn(process.execPath, ['--input-type=module', '-e', lines], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, [lifelineVariable]: supervised ? '1' : '0' },
  })
}

async function saidBy({ stdout }: ChildProcess): Promise<string> {
  assert(stdout !== null)
  return await text(stdout)
}

const stopping = `const stop = stopRequest(1)
  await tellSupervisor('ready', 'now')
  console.log(await stop)
  process.exit()`

test('a child says that it is ready, and stops when its supervisor is gone', async t => {
  const process = child(stopping, true)
  const [message] = await once(process, 'message')
  t.deepEqual(readLifeline(message), { kind: 'ready', text: 'now' })
  process.disconnect()
  t.is(await saidBy(process), 'the supervisor is gone\n')
})

test('a child whose supervisor died while it was starting stops too', async t => {
  const late = `await new Promise(resolve => process.once('disconnect', resolve))\n${stopping}`
  const process = child(late, true)
  process.disconnect()
  t.is(await saidBy(process), 'the supervisor is gone\n')
})

test('a process that merely has a channel to somebody goes on without it', async t => {
  const outlived = `setInterval(() => {}, 1e6)
    process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))\n${stopping}`
  const process = child(outlived, false)
  process.disconnect()
  t.is(await saidBy(process), 'SIGTERM\n')
})

test('what is no message of ours is ignored', t => {
  for (const message of [null, 'ready', {}, { kind: 'ready' }, { kind: 'other', text: '' }]) {
    t.is(readLifeline(message), null)
  }
})
