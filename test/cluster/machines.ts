/**
 * Machines of a cluster, each with a directory of its own, and its own network where a test gives it one.
 *
 * 1. Whatever a test does, at its end nothing is mounted, no process runs and no file is left.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { ExecutionContext } from 'ava'
import { type Outcome, run } from '../posix/program.ts'
import { eventually } from './eventually.ts'
import { launcher } from './processes.ts'

const stopDeadlineMs = 60_000

/** One process of Rookery in the foreground. */
export class Running {
  readonly #child: ChildProcess
  readonly #gone: Promise<unknown>
  #text = ''

  constructor(command: string, args: readonly string[], cwd: string) {
    this.#child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#gone = new Promise(resolve => this.#child.once('exit', resolve))
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (bytes: Buffer) => {
        this.#text += bytes.toString()
      })
    }
  }

  /** All that it has said. */
  get text(): string {
    return this.#text
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** @throws when it ends, or has not said so in time. */
  async says(what: string): Promise<void> {
    await eventually(`'${what}' is said`, () => {
      if (this.#text.includes(what)) return true
      if (this.hasEnded) throw new Error(`it ended before it said '${what}': ${this.#text}`)
      return false
    })
  }

  async kill(): Promise<void> {
    if (!this.hasEnded) this.#child.kill('SIGKILL')
    await this.#gone
  }

  async stop(): Promise<void> {
    if (this.hasEnded) return
    const late = setTimeout(() => this.#child.kill('SIGKILL'), stopDeadlineMs)
    this.#child.kill('SIGTERM')
    await this.#gone
    clearTimeout(late)
  }
}

export class Machine {
  readonly name: string
  /** Its own, made when something is put there. */
  readonly directory: string
  readonly #before: readonly string[]
  readonly #running: Running[] = []

  /** @param before words before each command, such as those that choose a network. */
  constructor(name: string, directory: string, before: readonly string[] = []) {
    this.name = name
    this.directory = directory
    this.#before = before
  }

  get home(): string {
    return `${this.directory}-home`
  }

  /** Runs a command of Rookery to its end, with the machine's home. */
  rookery(command: readonly string[], ...args: readonly string[]): Promise<Outcome> {
    const words = [...this.#before, launcher, ...command, '--home', this.home, ...args]
    return run('/', words[0]!, words.slice(1))
  }

  run(...words: readonly string[]): Promise<Outcome> {
    const all = [...this.#before, ...words]
    return run('/', all[0]!, all.slice(1))
  }

  /** Starts a command that stays in the foreground. */
  start(...args: readonly string[]): Running {
    const words = [...this.#before, launcher, ...args]
    const running = new Running(words[0]!, words.slice(1), '/')
    this.#running.push(running)
    return running
  }

  /** All processes that it ever started, the last first. */
  async stop(): Promise<void> {
    for (const running of this.#running.toReversed()) await running.stop()
  }

  get logs(): string {
    return this.#running.map(({ text }) => `--- ${this.name}\n${text.slice(-4_000)}`).join('\n')
  }
}

export interface MachinesInit {
  readonly names: readonly string[]
  /** Words before each command of a machine. */
  readonly before?: (name: string) => readonly string[]
}

/** Machines by name, taken apart when the test ends: the last of them first. */
export async function makeMachines(
  t: ExecutionContext,
  { names, before = () => [] }: MachinesInit,
): Promise<readonly Machine[]> {
  const top = await realpath(await mkdtemp(`${tmpdir()}/rookery-machines-`))
  const machines = names.map(name => new Machine(name, `${top}/${name}`, before(name)))
  t.teardown(async () => {
    if (!t.passed) console.error(machines.map(({ logs }) => logs).join('\n'))
    for (const machine of machines.toReversed()) await machine.stop()
    for (const mountpoint of await mountsBelow(top)) await run('/', 'umount', ['-l', mountpoint])
    await rm(top, { recursive: true, force: true })
  })
  return machines
}

async function mountsBelow(directory: string): Promise<readonly string[]> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8')
  const points = mounts.split('\n').map(line => line.split(' ')[4] ?? '')
  return points.filter(point => point.startsWith(`${directory}/`)).toReversed()
}

/** What a command that has to succeed printed. */
export async function printed(t: ExecutionContext, outcome: Promise<Outcome>): Promise<string> {
  const { code, stdout, stderr } = await outcome
  t.is(code, 0, stderr)
  return stdout.trim()
}
