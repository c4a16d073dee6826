/**
 * One directory with many entries, made by several processes at a time: how the rate of creating goes as it
 * grows, how long `ls -f` takes to its first name and to its last, and what memory it all takes.
 *
 *     node bench/wide/run.ts DIRECTORY [--files 200000] [--processes 2] [--watch PID] [--keep]
 *
 * --watch takes the process of a cluster that runs under `rookery up`, and shows the memory of its children.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { memoryBelow, processorMsBelow } from './memory.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    files: { type: 'string', default: '200000' },
    processes: { type: 'string', default: '2' },
    watch: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const [place] = positionals
if (place === undefined) throw new Error('name a directory')
const files = Number(values.files)
const processes = Number(values.processes)
const directory = await mkdtemp(join(place, 'wide-'))

console.log(`${files} files by ${processes} processes in ${directory}`)
await create()
console.log(`size ${(await stat(directory)).size}`)
await list()
if (!values.keep) await remove()

async function create(): Promise<void> {
  const each = Math.ceil(files / processes)
  const started = performance.now()
  let made = 0
  let windowMade = 0
  let windowStarted = started
  let spentMs = processorMs()
  const window = Math.max(1000, Math.floor(files / 20))
  const told = (count: number) => {
    made += count
    if (made - windowMade < window) return
    const now = performance.now()
    const rate = ((made - windowMade) * 1000) / (now - windowStarted)
    const eachMs = (processorMs() - spentMs) / (made - windowMade)
    spentMs = processorMs()
    const spent = values.watch === undefined ? '' : `, ${eachMs.toFixed(2)} ms of processor each`
    report(`${made} files`, `${Math.round(rate)} creates/s${spent}`)
    windowMade = made
    windowStarted = now
  }
  await Promise.all(Array.from({ length: processes }, (_, rank) => creator(rank, each, told)))
  const rate = (made * 1000) / (performance.now() - started)
  report('created', `${Math.round(rate)} creates/s over all`)
}

async function creator(rank: number, count: number, told: (count: number) => void): Promise<void> {
  const script = fileURLToPath(new URL('creator.ts', import.meta.url))
  const child: ChildProcess = fork(script, [directory, `${rank}`, `${count}`])
  child.on('message', message => told(Number(message)))
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`creator ${rank} ended with ${code}`)
}

async function list(): Promise<void> {
  const started = performance.now()
  const child = spawn('ls', ['-f', directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  let firstMs = 0
  let names = 0
  for await (const chunk of child.stdout) {
    if (firstMs === 0) firstMs = performance.now() - started
    for (const byte of chunk as Buffer) if (byte === 10) names++
  }
  const totalMs = Math.round(performance.now() - started)
  report(
    `ls -f: ${names - 2} names`,
    `first after ${Math.round(firstMs)} ms, all after ${totalMs} ms`,
  )
  if (names - 2 !== Math.ceil(files / processes) * processes) process.exitCode = 1
}

async function remove(): Promise<void> {
  const started = performance.now()
  await rm(directory, { recursive: true })
  const rate = (files * 1000) / (performance.now() - started)
  report('removed', `${Math.round(rate)} unlinks/s`)
}

/** Of the watched cluster. */
function processorMs(): number {
  return values.watch === undefined ? 0 : processorMsBelow(Number(values.watch))
}

function report(what: string, figure: string): void {
  const memory = values.watch === undefined ? '' : memoryBelow(Number(values.watch))
  console.log(`${what.padEnd(24)} ${figure.padEnd(48)} ${memory}`.trimEnd())
}
