/**
 * A program that works in a directory and keeps a journal of it: `writer.ts DIRECTORY JOURNAL SEED LANES`. It
 * goes on after errors, once the directory answers again, and ends when its standard input does.
 */
import { appendFileSync } from 'node:fs'
import { appendFile, mkdir, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { chance } from '../posix/bytes.ts'
import { type Content, contentOf, type Intent, type Line } from './journal.ts'

const [directory = '', journal = '', seed = '1', lanes = '4'] = process.argv.slice(2)
const lengths = [0, 12, 700, 8_191, 8_193, 30_000, 66_000, 200_000]

let going = true
let nextId = 0

function note(line: Line): void {
  appendFileSync(journal, `${JSON.stringify(line)}\n`)
}

async function perform(intent: Intent, synced: boolean): Promise<void> {
  const path = `${directory}/${intent.name}`
  switch (intent.kind) {
    case 'mkdir':
      return await mkdir(path)
    case 'unlink':
      return await unlink(path)
    case 'rename':
      return await rename(path, `${directory}/${intent.to}`)
    case 'write':
      return await writeFile(path, contentOf(intent.content), { flush: synced })
    case 'append':
      return await appendFile(path, contentOf(intent.content.slice(-1)), { flush: synced })
  }
}

class Lane {
  readonly #prefix: string
  readonly #next: (below: number) => number
  readonly #files = new Map<string, Content>()
  #moving: Content | undefined
  #count = 0

  constructor(index: number) {
    this.#prefix = `lane${index}-`
    this.#next = chance(Number(seed) * 1_000 + index)
  }

  async run(): Promise<void> {
    while (going) {
      const intent = this.#choose()
      const id = nextId++
      note({ id, intent })
      this.#forget(intent)
      try {
        await perform(intent, this.#next(2) === 0)
        note({ id, end: 'done' })
        this.#remember(intent)
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
        note({ id, end: 'failed', code })
        await answers()
      }
    }
  }

  #choose(): Intent {
    const names = [...this.#files.keys()]
    const name = names[this.#next(names.length + 1)]
    const fresh = `${this.#prefix}${this.#count++}`
    const piece = [this.#next(2 ** 31), lengths[this.#next(lengths.length)] ?? 0] as const
    const kind = this.#next(10)
    if (kind === 0) return { kind: 'mkdir', name: `${fresh}.d` }
    if (name === undefined || kind < 5) return { kind: 'write', name: fresh, content: [piece] }
    if (kind < 6) return { kind: 'write', name, content: [piece] }
    if (kind < 8) return { kind: 'rename', name, to: fresh }
    if (kind < 9) return { kind: 'unlink', name }
    return { kind: 'append', name, content: [...(this.#files.get(name) ?? []), piece] }
  }

  #forget(intent: Intent): void {
    this.#moving = this.#files.get(intent.name)
    this.#files.delete(intent.name)
  }

  #remember(intent: Intent): void {
    if (intent.kind === 'rename') this.#files.set(intent.to, this.#moving ?? [])
    if (intent.kind === 'write' || intent.kind === 'append') {
      this.#files.set(intent.name, intent.content)
    }
  }
}

/** Resolves when the directory is reachable, or nobody wants to know any more. */
async function answers(): Promise<void> {
  while (going) {
    await sleep(20)
    const found = await stat(directory).catch(() => null)
    if (found !== null) return
  }
}

process.stdin.on('data', () => {})
process.stdin.on('end', () => {
  going = false
})
await Promise.all(Array.from({ length: Number(lanes) }, (_, index) => new Lane(index).run()))
