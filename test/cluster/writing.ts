/** The writer as a process of its own, beside the processes of the cluster. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { eventually } from './eventually.ts'
import { type Verdict, verify } from './journal.ts'

const program = fileURLToPath(new URL('writer.ts', import.meta.url))

export interface WriterOptions {
  /** Made by the writer's caller, in the cluster. */
  readonly directory: string
  /** On the host. */
  readonly journal: string
  readonly seed: number
  readonly lanes: number
}

export interface Writing {
  /** Resolves when this many more operations were acknowledged than now. */
  more(count: number): Promise<void>
  /** Resolves when the writer has ended and what it wrote was compared. */
  finish(): Promise<Verdict>
}

export async function startWriting(t: ExecutionContext, options: WriterOptions): Promise<Writing> {
  const { directory, journal, seed, lanes } = options
  await mkdir(directory)
  const child = spawn(process.execPath, [program, directory, journal, `${seed}`, `${lanes}`], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const ended = once(child, 'exit')
  t.teardown(() => child.kill('SIGKILL'))
  const acknowledged = async (): Promise<number> => {
    const text = await readFile(journal, 'utf8').catch(() => '')
    return text.split('"done"').length - 1
  }
  return {
    async more(count) {
      const goal = (await acknowledged()) + count
      const holds = async (): Promise<boolean> =>
        child.exitCode !== null || (await acknowledged()) >= goal
      await eventually(`${goal} operations are acknowledged`, holds, 60_000)
      t.is(child.exitCode, null, 'the writer is running')
    },
    async finish() {
      child.stdin.end()
      await ended
      return await verify(t, directory, journal)
    },
  }
}
