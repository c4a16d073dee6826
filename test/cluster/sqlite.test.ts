/**
 * One SQLite database used from two mounts at once: rows of all writers, what readers see meanwhile, and what is
 * left when a writer is killed. In WAL mode its programs share memory by mapping a file.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { testMounted } from './fuse.ts'
import { startCluster } from './processes.ts'

const program = fileURLToPath(new URL('./sqlite-program.ts', import.meta.url))
const rowsOfWriter = 8
const writers = ['a', 'b', 'c', 'd']
const patienceMs = 60_000

interface Running {
  readonly child: ChildProcess
  /** How it ended: nothing, or what went wrong. */
  readonly ended: Promise<string>
}

function start(t: ExecutionContext, path: string, ...args: readonly string[]): Running {
  const child = spawn(process.execPath, ['--no-warnings', program, path, ...args])
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString()
  })
  const ended = once(child, 'close').then(([code, signal]) => {
    const wrong = code !== 0 && signal === null
    return wrong ? `${args.join(' ')}: ${code} ${errors}` : errors
  })
  return { child, ended }
}

/** Kills a writer that has told of `rows` rows. @returns how many it had told of in the end. */
async function killAfter({ child, ended }: Running, rows: number): Promise<number> {
  let told = 0
  if (child.stdout === null) throw new Error('a program without output')
  for await (const _line of createInterface(child.stdout)) {
    told++
    if (told === rows) child.kill('SIGKILL')
  }
  await ended
  return told
}

interface WriterRows {
  readonly writer: string
  readonly rows: number
  readonly last: number
}

function look(path: string): { readonly counts: readonly WriterRows[]; readonly check: unknown } {
  const database = new DatabaseSync(path, { timeout: patienceMs })
  const found = database
    .prepare('select writer, count(*) as rows, max(number) as last from rows group by writer')
    .all()
  const check = database.prepare('pragma integrity_check').get()
  database.close()
  const counts = found.map(({ writer, rows, last }) => ({
    writer: `${writer}`,
    rows: Number(rows),
    last: Number(last),
  }))
  return { counts, check: check?.integrity_check }
}

async function useTogether(
  t: ExecutionContext,
  mounts: readonly string[],
  journal: 'wal' | 'delete',
): Promise<void> {
  const paths = mounts.map(mount => `${mount}/${journal}`)
  const database = new DatabaseSync(paths[0]!)
  t.is(database.prepare(`pragma journal_mode = ${journal}`).get()?.journal_mode, journal)
  database.exec('create table rows (writer text, number integer, text text)')
  database.exec('create index by_writer on rows (writer, number)')
  database.close()

  const total = `${rowsOfWriter * writers.length}`
  const running = writers.map((name, index) =>
    start(t, paths[index % 2]!, 'write', name, `${rowsOfWriter}`),
  )
  for (const path of paths) running.push(start(t, path, 'read', 'reader', total))
  if (journal === 'wal') running.push(start(t, paths[1]!, 'checkpoint', 'checkpoints', total))
  const told = await killAfter(start(t, paths[1]!, 'write', 'victim', '100000'), 4)
  for (const { ended } of running) t.is(await ended, '')

  for (const path of paths) {
    const { counts, check } = look(path)
    t.is(check, 'ok')
    const victim = counts.find(({ writer }) => writer === 'victim')
    // The row after the last one that it told of may have been written, too.
    t.true(victim !== undefined && (victim.rows === told || victim.rows === told + 1))
    t.is(victim?.last, (victim?.rows ?? 0) - 1)
    const others = counts.filter(({ writer }) => writer !== 'victim')
    t.deepEqual(
      others,
      writers.map(writer => ({ writer, rows: rowsOfWriter, last: rowsOfWriter - 1 })),
    )
  }
}

testMounted(
  'SQLite on two mounts loses no row and misleads no reader, in WAL mode too',
  async t => {
    const cluster = await startCluster(t)
    const mounts = [cluster.mountpoint, await cluster.mountAgain('again')]
    await useTogether(t, mounts, 'wal')
    await useTogether(t, mounts, 'delete')
  },
)
