/**
 * Standard output and error, either of which may go away or be full.
 *
 * 1. That ends no process by itself.
 * 2. What a command prints is its result, and it fails when that was not taken; what it announces is not.
 */
import { setImmediate } from 'node:timers/promises'
import { codeOf, Failure } from './failure.ts'

let lost: Error | null = null

function noteLost(error: Error): void {
  lost ??= error
}

/** To be called before anything is said. */
export function watchOutput(): void {
  process.stdout.on('error', noteLost)
  process.stderr.on('error', () => undefined)
}

/** Says on stdout how things are; for commands without a result, which go on whether they are heard or not. */
export function announce(text: string): void {
  process.stdout.off('error', noteLost).on('error', () => undefined)
  console.log(text)
}

/** Prints a part of the result. @returns false when it was not taken: more is of no use. */
export async function print(bytes: Uint8Array): Promise<boolean> {
  return await new Promise(resolve => {
    process.stdout.write(bytes, error => resolve(error === null || error === undefined))
  })
}

/**
 * Resolves when all that was printed was taken, or its reader has gone away (`rookery cat … | head`).
 * @throws Failure when it cannot be written.
 */
export async function outputTaken(): Promise<void> {
  const { stdout } = process
  if (stdout.writableLength > 0) {
    await new Promise<void>(resolve => stdout.write('', () => resolve()))
  }
  // The error of a file is told a turn later.
  await setImmediate()
  if (lost === null || codeOf(lost) === 'EPIPE') return
  throw new Failure(`standard output cannot be written (${codeOf(lost)})`, { cause: lost })
}
