/**
 * What the command line says when it cannot do what was asked: one line, what was wrong, where, and
 * what to do about it.
 */
import { ClusterError, PosixError } from '../network/errors.ts'
import { printable } from '../network/format/printable.ts'

export const exitCode = { ok: 0, failure: 1, usage: 2 } as const

export interface FailureOptions extends ErrorOptions {
  readonly usage?: boolean
  /** For commands that keep to the codes of another program. */
  readonly exitCode?: number
}

/** An error whose message is meant for the person at the terminal, as it is. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exitCode: number

  constructor(message: string, options: FailureOptions = {}) {
    super(message, options)
    this.exitCode = options.usage === true ? exitCode.usage : (options.exitCode ?? exitCode.failure)
  }
}

/** What to do about an error whose message cannot know it. */
const advice: Readonly<Record<string, string>> = {
  BAD_ADDRESS: 'give an address of this machine, where this user may listen',
  EACCES: 'check the permissions, or run as the owner',
  EDQUOT: 'the quota is used up: free some space',
  EMFILE: 'too many open files: raise `ulimit -n`',
  ENOSPC: 'the disk is full: free some space',
  EROFS: 'the file system is read-only',
  NOT_LEADER: 'name the other managers too, with --manager',
  NOT_ADMITTED: "ask an administrator of the cluster for a token, then 'rookery join TOKEN'",
  NOT_READY: 'not all servers have joined yet: see `rookery status`',
  TIMEOUT: 'no answer in time: is the cluster up?',
  UNREACHABLE: 'is the cluster up?',
}

/** One line for a person; what any error means, without its stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof Failure) return oneLine(error.message)
  const code = codeOf(error)
  const hint = code === undefined ? undefined : advice[code]
  const text = plainMessage(error)
  return hint === undefined ? text : `${text}: ${hint}`
}

export function exitCodeOf(error: unknown): number {
  return error instanceof Failure ? error.exitCode : exitCode.failure
}

/** The stable code of an error of ours or of Node's. */
export function codeOf(error: unknown): string | undefined {
  if (error instanceof PosixError || error instanceof ClusterError) return error.code
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Codes are for programs: a message that says more goes without. */
function plainMessage(error: Error): string {
  const text = oneLine(error.message === '' ? error.name : error.message)
  const ours = error instanceof PosixError || error instanceof ClusterError
  return ours ? text.replace(`${error.code}: `, '') : text
}

/** What anybody wrote, fit for a terminal. */
export function oneLine(text: string): string {
  return printable(text.replaceAll(/\s*\n\s*/g, ' ').trim())
}
