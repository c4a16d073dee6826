/** Runs the command line from its sources, for tests of what it says. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

export interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly complaint: string
}

export async function rookery(...args: string[]): Promise<Outcome> {
  const main = join(import.meta.dirname, 'main.ts')
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve))
  const [out, complaint, code] = await Promise.all([text(child.stdout), text(child.stderr), exited])
  return { code, out, complaint }
}
