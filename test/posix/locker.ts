/** Processes that hold and want locks, as a test tells them: locker.c, compiled when first needed. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'

let compiled: Promise<string> | null = null

async function compile(): Promise<string> {
  const program = `${await mkdtemp(`${tmpdir()}/rookery-locker-`)}/locker`
  const source = fileURLToPath(new URL('locker.c', import.meta.url))
  await promisify(execFile)('cc', ['-Wall', '-Wextra', '-Werror', '-o', program, source])
  return program
}

export class Locker {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(child: ChildProcess) {
    this.#child = child
    if (child.stdout === null) throw new Error('a locker without output')
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  }

  /** A process that has the file open, until the test ends. */
  static async start(t: ExecutionContext, path: string): Promise<Locker> {
    compiled ??= compile()
    const child = spawn(await compiled, [path], { stdio: ['pipe', 'pipe', 'inherit'] })
    const locker = new Locker(child)
    t.teardown(() => child.kill('SIGKILL'))
    t.is(await locker.#next(), '0')
    return locker
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Does the line and says what came of it: `0`, the name of an errno, or a lock. */
  do(line: string): Promise<string> {
    const answer = this.#next()
    this.#child.stdin?.write(`${line}\n`)
    return answer
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Ends the process, and waits until the kernel is through with it. */
  async end(name: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const exited = new Promise(resolve => this.#child.once('exit', resolve))
    this.#child.kill(name)
    await exited
  }

  async #next(): Promise<string> {
    const { value, done } = await this.#lines.next()
    return done === true ? 'ended' : value
  }
}
