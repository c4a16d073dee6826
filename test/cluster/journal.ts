/**
 * What a writer did to its directory, in lines of JSON on the host's disk, and what must be there afterwards.
 *
 * 1. The line of an intent is written before the operation begins, the line of its end when the system has
 *    acknowledged it. What has an intent only, or failed, may have happened or not, but not by half.
 * 2. A name whose state is uncertain is never used again.
 */
import { readdir, readFile } from 'node:fs/promises'
import type { ExecutionContext } from 'ava'
import { bytesOf, sameBytes } from '../posix/bytes.ts'

/** Content of a file: pieces made from seeds. */
export type Content = readonly (readonly [seed: number, length: number])[]

export type Intent =
  | { readonly kind: 'write' | 'append'; readonly name: string; readonly content: Content }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly name: string }
  | { readonly kind: 'mkdir'; readonly name: string }

export type Line =
  | { readonly id: number; readonly intent: Intent }
  | { readonly id: number; readonly end: 'done' }
  | { readonly id: number; readonly end: 'failed'; readonly code: string }

export function contentOf(content: Content): Buffer {
  return Buffer.concat(content.map(([seed, length]) => bytesOf(seed, length)))
}

export interface Verdict {
  readonly acknowledged: number
  /** Codes of the operations that failed. */
  readonly failures: readonly string[]
}

interface Expected {
  readonly files: Map<string, Content>
  readonly directories: Set<string>
  readonly uncertain: Intent[]
  readonly failures: string[]
  acknowledged: number
}

export async function readJournal(path: string): Promise<readonly Line[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as Line)
}

function expectedOf(lines: readonly Line[]): Expected {
  const open = new Map<number, Intent>()
  const expected: Expected = {
    files: new Map(),
    directories: new Set(),
    uncertain: [],
    failures: [],
    acknowledged: 0,
  }
  for (const line of lines) {
    if ('intent' in line) open.set(line.id, line.intent)
    else if (line.end === 'done') {
      const intent = open.get(line.id)
      if (intent !== undefined) apply(expected, intent)
      open.delete(line.id)
      expected.acknowledged++
    } else expected.failures.push(line.code)
  }
  expected.uncertain.push(...open.values())
  return expected
}

function apply({ files, directories }: Expected, intent: Intent): void {
  if (intent.kind === 'mkdir') directories.add(intent.name)
  else if (intent.kind === 'unlink') files.delete(intent.name)
  else if (intent.kind === 'rename') {
    const content = files.get(intent.name)
    files.delete(intent.name)
    if (content !== undefined) files.set(intent.to, content)
  } else files.set(intent.name, intent.content)
}

/** Checks that the directory holds everything acknowledged and nothing that was never asked for. */
export async function verify(
  t: ExecutionContext,
  directory: string,
  journal: string,
): Promise<Verdict> {
  const expected = expectedOf(await readJournal(journal))
  const doubtful = new Set<string>()
  for (const intent of expected.uncertain) {
    doubtful.add(intent.name)
    if (intent.kind === 'rename') doubtful.add(intent.to)
  }
  const listed = await readdir(directory)
  const certain = [...expected.files.keys(), ...expected.directories].filter(n => !doubtful.has(n))
  const present = listed.filter(name => !doubtful.has(name)).sort()
  t.deepEqual(present, certain.sort(), 'the names in the directory')
  for (const [name, content] of expected.files) {
    if (doubtful.has(name)) continue
    sameBytes(t, await readFile(`${directory}/${name}`), contentOf(content), name)
  }
  for (const intent of expected.uncertain) await verifyUncertain(t, directory, intent, expected)
  return { acknowledged: expected.acknowledged, failures: expected.failures }
}

async function verifyUncertain(
  t: ExecutionContext,
  directory: string,
  intent: Intent,
  { files }: Expected,
): Promise<void> {
  const read = (name: string): Promise<Buffer | null> =>
    readFile(`${directory}/${name}`).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'EISDIR') return null
      throw error
    })
  const found = await read(intent.name)
  const before = files.get(intent.name)
  if (intent.kind === 'rename') {
    const moved = await read(intent.to)
    t.true((found === null) !== (moved === null), `${intent.name} is at exactly one of two names`)
    const whole = found ?? moved
    if (whole !== null) sameBytes(t, whole, contentOf(before ?? []), intent.name)
  } else if (intent.kind === 'unlink' && found !== null) {
    sameBytes(t, found, contentOf(before ?? []), intent.name)
  } else if (intent.kind === 'append') {
    t.true(found !== null, `${intent.name} is there`)
    const kept = contentOf(before ?? [])
    if (found !== null) sameBytes(t, found.subarray(0, kept.length), kept, intent.name)
  }
}
