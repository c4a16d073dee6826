/** A client that makes, fills and renames files without a pause while a test does something to the servers. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { Connection } from '../../client/library.ts'
import { bytesOf } from '../posix/bytes.ts'
import { eventually } from './eventually.ts'

/** Files written all the while; what was acknowledged is remembered. */
export class SteadyWriter {
  readonly written: { readonly name: string; readonly seed: number }[] = []
  failedCount = 0
  readonly #files: Connection
  readonly #running: Promise<void>
  #stop = false

  constructor(files: Connection) {
    this.#files = files
    this.#running = this.#run()
    // Who stops it hears of what it met.
    this.#running.catch(() => undefined)
  }

  /** Resolves when so many more are written. */
  async more(count: number): Promise<void> {
    const goal = this.written.length + count
    const going = eventually('writing goes on', () => this.written.length >= goal)
    await Promise.race([going, this.#running])
  }

  /** @throws the error that a program would have seen. */
  async stop(): Promise<void> {
    this.#stop = true
    await this.#running
  }

  async #write(first: string, name: string, seed: number): Promise<void> {
    await this.#files.writeFile(first, bytesOf(seed, lengthOf(seed)))
    await this.#files.rename(first, name)
  }

  async #run(): Promise<void> {
    for (let seed = 0; !this.#stop; seed++) {
      const name = `/d${(seed + 1) % directories}/m${seed}`
      try {
        await this.#write(`/d${seed % directories}/n${seed}`, name, seed)
        this.written.push({ name, seed })
      } catch (error) {
        // A server was away for longer than an operation may take, as on a busy machine: that is not acknowledged.
        if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
        this.failedCount++
        // A client that was closed, as where a test has failed, fails at once: nobody else would get a turn.
        await sleep(100)
      }
    }
  }
}

const directories = 8

function lengthOf(seed: number): number {
  return seed % 4 === 0 ? 150_000 : 300
}

export async function isAllThere(
  t: ExecutionContext,
  files: Connection,
  { written, failedCount }: SteadyWriter,
): Promise<void> {
  t.log(`${written.length} files, ${failedCount} not acknowledged`)
  for (const { name, seed } of written) {
    const found = await files.readFile(name)
    t.true(found.equals(bytesOf(seed, lengthOf(seed))), name)
  }
}

/** @returns when it has written something in each of its directories. */
export async function startWriter(files: Connection): Promise<SteadyWriter> {
  for (let index = 0; index < directories; index++) await files.mkdir(`/d${index}`)
  const writer = new SteadyWriter(files)
  await eventually('something is written', () => writer.written.length > directories)
  return writer
}
