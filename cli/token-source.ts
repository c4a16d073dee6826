/**
 * Where a token comes from: the command line, where every user of this machine can read it (ps), or a file, or standard
 * input.
 */
import { createReadStream } from 'node:fs'
import { Option } from 'commander'
import { maxTokenCharacters } from '../network/limits.ts'
import { describeError, Failure } from './failure.ts'

export interface TokenSource {
  readonly token?: string
  /** `-` is standard input. */
  readonly tokenFile?: string
}

export function tokenFileOption(): Option {
  return new Option(
    '--token-file <file>',
    'read the token from a file, where ps does not show it; - is stdin',
  )
}

/**
 * @param stdin read where the file is `-`.
 * @returns undefined where no token was given.
 * @throws Failure when there are two, or the file has none.
 */
export async function tokenFrom(
  { token, tokenFile }: TokenSource,
  stdin: AsyncIterable<unknown> = process.stdin,
): Promise<string | undefined> {
  if (tokenFile === undefined) return token
  if (token !== undefined) {
    throw new Failure('there are two tokens: give one, or --token-file', { usage: true })
  }
  const where = tokenFile === '-' ? 'standard input' : tokenFile
  const text = await readStart(tokenFile === '-' ? stdin : createReadStream(tokenFile)).catch(
    cause => {
      const reason = `cannot read the token in ${where}: ${describeError(cause)}`
      throw new Failure(reason, { cause })
    },
  )
  const read = text.trim()
  if (read !== '') return read
  throw new Failure(`there is no token in ${where}: put there what 'rookery token create' printed`)
}

/** No more than a token can have, whatever there is. */
async function readStart(source: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const piece of source) {
    text += String(piece)
    if (text.length > 2 * maxTokenCharacters) break
  }
  return text
}
