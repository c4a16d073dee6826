/** Runs other programs on a check's directory, as another user where the check wants that. */
import { execFile, spawnSync } from 'node:child_process'
import type { ExecutionContext } from 'ava'

export interface As {
  readonly uid?: number
  readonly gid?: number
}

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Ends what hangs; far longer than anything takes on a machine that is busy with other things, too. */
const deadlineMs = 300_000

/**
 * Runs `program` in `cwd` and says how it ended; never throws for a bad exit.
 * @param timeoutMs after which it is ended; 0 for what runs as long as it is wanted.
 */
export function run(
  cwd: string,
  program: string,
  args: readonly string[],
  as: As = {},
  timeoutMs = deadlineMs,
): Promise<Outcome> {
  return new Promise(resolve => {
    const options = { cwd, timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024, ...as }
    execFile(program, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255
      resolve({ code, stdout, stderr: error !== null && stderr === '' ? error.message : stderr })
    })
  })
}

/** Runs a shell line that must succeed; returns what it printed, without the last line break. */
export async function shell(
  t: ExecutionContext,
  cwd: string,
  line: string,
  as: As = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(cwd, '/bin/sh', ['-euc', line], as)
  t.is(code, 0, `${line}: ${stderr}`)
  return stdout.trimEnd()
}

export function isInstalled(program: string): boolean {
  return spawnSync('/bin/sh', ['-c', `command -v ${program}`]).status === 0
}

const pythonPath = ['/usr/bin/python3', '/usr/local/bin/python3'].find(isInstalled)

/** Runs a Python program that must succeed; where there is no Python the check says so and passes. */
export async function python(
  t: ExecutionContext,
  cwd: string,
  script: string,
  as: As = {},
): Promise<string | null> {
  if (pythonPath === undefined) {
    t.log('not checked: it takes python3')
    t.pass()
    return null
  }
  const { code, stdout, stderr } = await run(cwd, pythonPath, ['-c', script], as)
  t.is(code, 0, stderr)
  return stdout.trimEnd()
}
