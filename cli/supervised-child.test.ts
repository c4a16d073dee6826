import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { type ChildPlan, SupervisedChild } from './supervised-child.ts'
import { Supervisor } from './supervisor.ts'

const directory = mkdtempSync(join(tmpdir(), 'rookery-child-'))
test.after.always(() => rmSync(directory, { recursive: true }))

const ready = `process.send({ kind: 'ready', text: String(process.pid) })`
const waiting = `${ready}; process.on('disconnect', () => process.exit(9)); setInterval(() => {}, 1e6)`
const restart = { firstDelayMs: 1, longestDelayMs: 4, settledMs: 60_000 }

function plan(name: string, script: string, changes: Partial<ChildPlan> = {}): ChildPlan {
  return {
    name,
    command: process.execPath,
    args: ['-e', script],
    logFile: join(directory, `${name}.log`),
    readyDeadlineMs: 30_000,
    stopDeadlineMs: 10_000,
    mayFinish: false,
    ...changes,
  }
}

/** Lines that were said, and a way to wait for one. */
class Lines {
  readonly said: string[] = []
  readonly #waiting: { readonly pattern: RegExp; readonly resolve: (line: string) => void }[] = []

  readonly say = (line: string): void => {
    this.said.push(line)
    for (const { pattern, resolve } of this.#waiting) if (pattern.test(line)) resolve(line)
  }
  next(pattern: RegExp): Promise<string> {
    return new Promise(resolve => this.#waiting.push({ pattern, resolve }))
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('a child that says that it has nothing left to do is not started again', async t => {
  const lines = new Lines()
  const says = `process.send({ kind: 'finished', text: '' }, () => process.exit(0))`
  const script = `${ready}; setTimeout(() => ${says}, 50)`
  const child = new SupervisedChild(plan('finished', script), lines.say, restart)
  await child.start()
  await child.finished
  t.deepEqual(lines.said, [])
  await child.stop()
})

test('a child that is killed is started again', async t => {
  const lines = new Lines()
  const child = new SupervisedChild(plan('killed', waiting), lines.say, restart)
  const first = Number(await child.start())
  const back = lines.next(/is back/)
  process.kill(first, 'SIGKILL')
  await back
  t.not(child.pid, first)
  t.regex(lines.said[0] ?? '', /killed was killed by SIGKILL: starting it again in 1 ms/)
  await child.stop()
  t.is(child.pid, undefined)
})

test('a child that keeps dying is started again with delays that double up to the longest', async t => {
  const lines = new Lines()
  const child = new SupervisedChild(
    plan('dying', `${ready}; process.disconnect(); process.exitCode = 3`),
    lines.say,
    restart,
  )
  const fourth = new Promise<void>(resolve => {
    const timer = setInterval(() => {
      if (lines.said.filter(line => line.includes('starting it again')).length < 4) return
      clearInterval(timer)
      resolve()
    }, 5)
  })
  await child.start()
  await fourth
  await child.stop()
  const delays = lines.said.flatMap(line => /again in (\d+) ms/.exec(line)?.[1] ?? [])
  t.deepEqual(delays.slice(0, 4), ['1', '2', '4', '4'])
})

test('a child that fails before it was ever ready fails its start with what it said', async t => {
  const lines = new Lines()
  const says = `process.send({ kind: 'failed', text: 'the disk is full' }, () => process.exit(1))`
  const child = new SupervisedChild(plan('failing', says), lines.say, restart)
  await t.throwsAsync(child.start(), { message: 'failing: the disk is full' })
  t.deepEqual(lines.said, [])
})

test('a child that dies without a word points to its log', async t => {
  const child = new SupervisedChild(
    plan('silent', `console.error('why'); process.exit(7)`),
    () => {},
    restart,
  )
  await t.throwsAsync(child.start(), {
    message: /exit code 7 before it was ready: see .*silent.log/,
  })
  t.is(readFileSync(child.plan.logFile, 'utf8'), 'why\n')
})

test('a command that cannot be run fails the start', async t => {
  const child = new SupervisedChild(
    plan('missing', '', { command: join(directory, 'nothing') }),
    () => {},
    restart,
  )
  await t.throwsAsync(child.start(), { message: /cannot be started/ })
})

test('a child that is not ready in time is killed', async t => {
  const child = new SupervisedChild(
    plan('slow', 'setInterval(() => {}, 1e6)', { readyDeadlineMs: 100 }),
    () => {},
    restart,
  )
  await t.throwsAsync(child.start(), { message: /slow: it was not ready within 0.1 s/ })
  t.is(child.pid, undefined)
})

test('a child that ignores SIGTERM is killed at its deadline', async t => {
  const lines = new Lines()
  const deaf = `process.on('SIGTERM', () => {}); ${waiting}`
  const child = new SupervisedChild(plan('deaf', deaf, { stopDeadlineMs: 50 }), lines.say, restart)
  const pid = Number(await child.start())
  await child.stop()
  t.false(isAlive(pid))
  t.deepEqual(lines.said, ['deaf did not stop within 50 ms: killed'])
})

test('a stop while a restart is pending leaves nothing running', async t => {
  const lines = new Lines()
  const child = new SupervisedChild(plan('pending', waiting), lines.say, {
    ...restart,
    firstDelayMs: 60_000,
    longestDelayMs: 60_000,
  })
  const pid = Number(await child.start())
  const seen = lines.next(/starting it again in 60000 ms/)
  process.kill(pid, 'SIGKILL')
  await seen
  await child.stop()
  t.is(child.pid, undefined)
})

test('a child that may finish is not started again after exit code 0', async t => {
  const lines = new Lines()
  const done = `process.send({ kind: 'ready', text: '' }, () => process.exit(0))`
  const child = new SupervisedChild(plan('done', done, { mayFinish: true }), lines.say, restart)
  await child.start()
  await child.finished
  t.deepEqual(lines.said, [])
})

test('a supervisor stops its layers from the top down, each gone before the next is told', async t => {
  const log = join(directory, 'order')
  const noting = (name: string): string =>
    `process.on('SIGTERM', () => { require('fs').appendFileSync(${JSON.stringify(log)}, '${name} ');
      setTimeout(() => { require('fs').appendFileSync(${JSON.stringify(log)}, '${name}-gone '); process.exit(0) }, 20) })
    ${waiting}`
  const lines = new Lines()
  const supervisor = new Supervisor(lines.say, restart)
  await supervisor.start([plan('bottom', noting('bottom'))])
  await supervisor.start([plan('top', noting('top'))])
  await Promise.all([supervisor.stop(), supervisor.stop()])
  t.is(readFileSync(log, 'utf8'), 'top top-gone bottom bottom-gone ')
  t.deepEqual(lines.said, ['stopping top', 'stopping bottom'])
})

test('a supervisor that was stopped starts nothing more', async t => {
  const supervisor = new Supervisor(() => {}, restart)
  await supervisor.stop()
  t.deepEqual(await supervisor.start([plan('late', waiting)]), [])
})

test('a supervisor that could not start one child of a layer stops the others', async t => {
  const supervisor = new Supervisor(() => {}, restart)
  let pid = 0
  await t.throwsAsync(
    supervisor.start([plan('good', waiting), plan('bad', 'process.exit(1)')], (_, text) => {
      pid = Number(text)
    }),
  )
  await supervisor.stop()
  t.true(pid === 0 || !isAlive(pid))
})
