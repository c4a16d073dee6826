/**
 * A program that uses one SQLite database, as one of several: `node sqlite-program.ts DATABASE ROLE NAME COUNT`.
 * What it cannot do because another is at it (SQLITE_BUSY) it tries again; any other error ends it.
 */
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

const busy = 5
const [path = '', role = '', name = '', count = '0'] = process.argv.slice(2)
const database = new DatabaseSync(path, { timeout: 2_000 })

async function persistently<T>(step: () => T): Promise<T> {
  for (;;) {
    try {
      return step()
    } catch (error) {
      const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0
      if (code !== busy) throw error
      await sleep(5)
    }
  }
}

async function write(): Promise<void> {
  const insert = await persistently(() =>
    database.prepare('insert into rows (writer, number, text) values (?, ?, ?)'),
  )
  for (let number = 0; number < Number(count); number++) {
    await persistently(() => insert.run(name, number, `${name} ${number} `.repeat(20)))
    console.log(number)
  }
}

/** Counts never go down, and what the index says agrees with the table in each of them. */
async function read(): Promise<void> {
  const look = await persistently(() =>
    database.prepare(
      `select (select count(*) from rows) as total,
        (select count(*) from rows indexed by by_writer where writer >= '') as indexed,
        (select coalesce(sum(last + 1), 0) from (select max(number) as last from rows group by writer)) as told`,
    ),
  )
  let [seen, looks] = [0, 0]
  while (seen < Number(count)) {
    const counts = await persistently(() => look.get())
    const [total, indexed, told] = [counts?.total, counts?.indexed, counts?.told].map(Number)
    if (total !== indexed || total !== told || total === undefined || total < seen) {
      throw new Error(
        `${total} rows after ${seen}, ${indexed} in the index, ${told} by their numbers`,
      )
    }
    seen = total
    looks++
    await sleep(1)
  }
  console.log(looks)
}

async function checkpoint(): Promise<void> {
  const counted = await persistently(() => database.prepare('select count(*) as total from rows'))
  const modes = ['passive', 'full', 'restart', 'truncate']
  for (let round = 0; Number((await persistently(() => counted.get()))?.total) < Number(count); ) {
    const pragma = `pragma wal_checkpoint(${modes[round++ % modes.length]})`
    await persistently(() => database.prepare(pragma).get())
    await sleep(20)
  }
}

const roles: Record<string, () => Promise<void>> = { write, read, checkpoint }
await roles[role]?.()
database.close()
