/** The writer and the comparison are right: on a directory of this machine, and on one that was tampered with. */
import { appendFile, mkdtemp, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import test, { type ExecutionContext } from 'ava'
import { type Line, readJournal, verify } from './journal.ts'
import { startWriting } from './writing.ts'

async function written(t: ExecutionContext): Promise<{ work: string; journal: string }> {
  const directory = await mkdtemp(`${tmpdir()}/rookery-journal-`)
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const [work, journal] = [`${directory}/work`, `${directory}/journal`]
  const writing = await startWriting(t, { directory: work, journal, seed: 1, lanes: 3 })
  await writing.more(100)
  const { acknowledged, failures } = await writing.finish()
  t.true(acknowledged >= 100)
  t.deepEqual(failures, [])
  return { work, journal }
}

/** A file that the journal says is there, and is not empty. */
async function certainFile(journal: string): Promise<string> {
  const lines = await readJournal(journal)
  const last = new Map<string, Line>()
  for (const line of lines) {
    if (!('intent' in line)) continue
    last.set(line.intent.name, line)
    if (line.intent.kind === 'rename') last.delete(line.intent.to)
  }
  for (const [name, line] of last) {
    const written = 'intent' in line && line.intent.kind === 'write' ? line.intent.content : []
    if (written.some(([, length]) => length > 0)) return name
  }
  throw new Error('no such file')
}

test('a directory where everything acknowledged is there is accepted', async t => {
  await written(t)
})

test('a lost file, a lost byte, a changed byte and a file too many are noticed', async t => {
  const { work, journal } = await written(t)
  const path = `${work}/${await certainFile(journal)}`
  const content = await readFile(path)
  const notices = async (): Promise<void> => {
    const attempt = await t.try(async inner => {
      await verify(inner, work, journal)
    })
    const { passed } = attempt
    attempt.discard()
    t.false(passed)
  }
  await truncate(path, content.length - 1)
  await notices()
  await writeFile(
    path,
    content.map(byte => byte ^ 1),
  )
  await notices()
  await unlink(path)
  await notices()
  await writeFile(path, content)
  await verify(t, work, journal)
  await writeFile(`${work}/stranger`, '')
  await notices()
})

test('an operation without an end may have happened or not', async t => {
  const { work, journal } = await written(t)
  const intent = { kind: 'write', name: 'unfinished', content: [[1, 5]] }
  await appendFile(journal, `${JSON.stringify({ id: 1e9, intent })}\n`)
  await verify(t, work, journal)
  await writeFile(`${work}/unfinished`, 'par')
  await verify(t, work, journal)
})
