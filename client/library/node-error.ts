/** Errors as node:fs throws them: code, errno, syscall, path. */
import { getSystemErrorMap } from 'node:util'
import { errnoByCode, posixCodeOf } from '../../network/errors.ts'

export interface FileError extends Error {
  readonly code: string
  /** Negative, as libuv has it. */
  readonly errno: number
  readonly syscall: string
  readonly path?: string
  readonly dest?: string
}

export interface CallNames {
  readonly syscall: string
  readonly path?: string
  readonly dest?: string
}

export function nodeError(error: unknown, names: CallNames): FileError {
  if (isFileError(error)) return error
  const code = posixCodeOf(error)
  const errno = -errnoByCode[code]
  const description = getSystemErrorMap().get(errno)?.[1] ?? 'error'
  const paths = [names.path, names.dest].filter(path => path !== undefined)
  const where = paths.map(path => `'${path}'`).join(' -> ')
  // What the cluster has to say is in the cause; for EIO it is all there is to go by.
  const reason = code === 'EIO' && error instanceof Error ? ` (${error.message})` : ''
  const text = `${code}: ${description}, ${names.syscall}${where && ` ${where}`}${reason}`
  return Object.assign(new Error(text, { cause: error }), { code, errno, ...names })
}

function isFileError(error: unknown): error is FileError {
  return error instanceof Error && 'syscall' in error && 'errno' in error
}

/** Runs `work`, and has whatever it throws look like an error of node:fs. */
export async function asNode<T>(names: CallNames, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw nodeError(error, names)
  }
}
