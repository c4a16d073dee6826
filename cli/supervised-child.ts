/**
 * One child process that is kept running.
 *
 * 1. At most one process of it exists at a time.
 * 2. Once `stop` was called, no new one is started, and it resolves only when the last one is gone.
 * 3. A child that dies before it was ever ready fails `start`; one that dies later is started again, after
 *    a delay that doubles up to `longestDelayMs` and starts over once a child has lived for a while.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, renameSync, statSync } from 'node:fs'
import { Failure } from './failure.ts'
import { lifelineVariable, readLifeline } from './lifeline.ts'

export interface ChildPlan {
  /** For people, and the name of its log file: `server-2`. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly logFile: string
  readonly readyDeadlineMs: number
  /** How long it may take to stop before it is killed. */
  readonly stopDeadlineMs: number
  /** An exit with code 0 means that its work is done, not that it failed. */
  readonly mayFinish: boolean
}

export interface RestartPolicy {
  readonly firstDelayMs: number
  readonly longestDelayMs: number
  /** A child that lived this long was well: the next delay is the first one again. */
  readonly settledMs: number
}

export const defaultRestart: RestartPolicy = {
  firstDelayMs: 200,
  longestDelayMs: 10_000,
  settledMs: 30_000,
}

/** A log that has grown beyond this is put aside (one generation) when its process starts. */
const longestLogBytes = 16 * 1024 * 1024

export class SupervisedChild {
  readonly plan: ChildPlan
  /** Resolves when it exited with code 0 and may, or after it said that it has nothing left to do. */
  readonly finished: Promise<void>
  readonly #restart: RestartPolicy
  readonly #say: (line: string) => void
  #finish: () => void = () => {}
  #child: ChildProcess | null = null
  #gone: Promise<void> = Promise.resolve()
  #delayMs: number
  #pending: NodeJS.Timeout | null = null
  #wasReady = false
  #stopping = false
  #saidFinished = false

  constructor(plan: ChildPlan, say: (line: string) => void, restart = defaultRestart) {
    this.plan = plan
    this.#say = say
    this.#restart = restart
    this.#delayMs = restart.firstDelayMs
    this.finished = new Promise(resolve => {
      this.#finish = resolve
    })
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves with what the child said when it was ready. @throws Failure with what it said otherwise. */
  async start(): Promise<string> {
    const text = await this.#launch()
    this.#wasReady = true
    return text
  }

  async stop(): Promise<void> {
    this.#stopping = true
    if (this.#pending !== null) clearTimeout(this.#pending)
    const child = this.#child
    if (child === null) return
    child.kill('SIGTERM')
    const deadline = setTimeout(() => {
      this.#say(`${this.plan.name} did not stop within ${this.plan.stopDeadlineMs} ms: killed`)
      child.kill('SIGKILL')
    }, this.plan.stopDeadlineMs)
    await this.#gone
    clearTimeout(deadline)
  }

  #launch(): Promise<string> {
    const { plan } = this
    const startedMs = performance.now()
    const child = spawnLogged(plan)
    this.#child = child
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    let failure: string | null = null
    const deadline = setTimeout(() => {
      failure = `it was not ready within ${plan.readyDeadlineMs / 1000} s`
      child.kill('SIGKILL')
    }, plan.readyDeadlineMs)
    child.on('message', received => {
      const message = readLifeline(received)
      if (message?.kind === 'failed') failure = message.text
      if (message?.kind === 'finished') this.#saidFinished = true
      if (message?.kind !== 'ready') return
      clearTimeout(deadline)
      resolve(message.text)
    })
    this.#gone = new Promise(gone => {
      const ended = (how: string, code: number | null): void => {
        clearTimeout(deadline)
        this.#child = null
        reject(
          new Failure(
            `${plan.name}: ${failure ?? `${how} before it was ready: see ${plan.logFile}`}`,
          ),
        )
        this.#exited(failure ?? how, code, performance.now() - startedMs)
        gone()
      }
      child.on('error', error => {
        // With a process, 'exit' will tell; an error is then of a signal or message that came too late.
        if (child.pid === undefined) ended(`cannot be started (${error.message})`, null)
      })
      child.once('exit', (code, signal) => {
        const report = (): void => ended(describeExit(code, signal), code)
        // What it said last may still be on its way.
        if (child.connected) child.once('disconnect', report)
        else report()
      })
    })
    return promise
  }

  #exited(how: string, code: number | null, livedMs: number): void {
    if (this.#stopping || !this.#wasReady) return
    if (this.#saidFinished || (code === 0 && this.plan.mayFinish)) {
      this.#finish()
      return
    }
    if (livedMs >= this.#restart.settledMs) this.#delayMs = this.#restart.firstDelayMs
    const delayMs = this.#delayMs
    this.#delayMs = Math.min(delayMs * 2, this.#restart.longestDelayMs)
    this.#say(`${this.plan.name} ${how}: starting it again in ${delayMs} ms`)
    this.#pending = setTimeout(() => this.#relaunch(), delayMs)
  }

  #relaunch(): void {
    this.#pending = null
    this.#launch().then(
      () => this.#say(`${this.plan.name} is back`),
      // Said, and tried again, by #exited.
      () => undefined,
    )
  }
}

function spawnLogged(plan: ChildPlan): ChildProcess {
  const log = openLog(plan.logFile)
  try {
    return spawn(plan.command, plan.args, {
      // A session of its own: Ctrl-C goes to the supervisor alone, which stops things in order.
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...process.env, [lifelineVariable]: '1' },
    })
  } finally {
    closeSync(log)
  }
}

/** A descriptor that appends to the log, after putting a long one aside. */
export function openLog(path: string): number {
  const log = openSync(path, 'a', 0o600)
  if (statSync(path).size <= longestLogBytes) return log
  closeSync(log)
  renameSync(path, `${path}.1`)
  return openSync(path, 'a', 0o600)
}

function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`
}
