/**
 * One server with a number of partitions and many files, in a process of its own with its manager and a client:
 * `crowd.ts PARTITIONS FILES`, which prints its figures as JSON.
 */
import type { Connection } from '../../client/library.ts'
import { InProcessCluster } from '../../test/cluster/in-process.ts'

export interface CrowdFigures {
  readonly partitions: number
  readonly files: number
  /** Processor time of server and client together. */
  readonly createMs: number
  readonly statMs: number
  /** Resident memory that a million more files would take, by the second half of these; null for too few. */
  readonly memoryBytesPerMillion: number | null
}

const directories = 256
/** Fewer take less memory than the process itself grows by meanwhile. */
const fewestWeighed = 50_000
/** Calls under way at a time. */
const depth = 64

export async function crowd(partitions: number, files: number): Promise<CrowdFigures> {
  await using cluster = await InProcessCluster.start(1, undefined, partitions)
  const client = await cluster.connect()
  const half = Math.floor(files / 2)
  for (let index = 0; index < directories; index++) await client.mkdir(`/${index}`)
  await inTurn({ from: 0, to: half }, index => create(client, index))
  const before = settledMemory()
  const createMs = await inTurn({ from: half, to: files }, index => create(client, index))
  const growth = settledMemory() - before
  const statMs = await inTurn({ from: 0, to: half }, index => client.stat(pathOf(index * 2)))
  const weighed = files - half >= fewestWeighed
  const memoryBytesPerMillion = weighed ? (growth / (files - half)) * 1e6 : null
  return { partitions, files, createMs, statMs, memoryBytesPerMillion }
}

async function create(client: Connection, index: number): Promise<void> {
  const file = await client.open(pathOf(index), 'wx')
  await file.close()
}

function pathOf(index: number): string {
  return `/${index % directories}/file-${index}`
}

/** @returns milliseconds of processor time for each. */
async function inTurn(
  { from, to }: { readonly from: number; readonly to: number },
  work: (index: number) => Promise<unknown>,
): Promise<number> {
  const before = process.cpuUsage()
  let next = from
  const worker = async () => {
    while (next < to) await work(next++)
  }
  await Promise.all(Array.from({ length: depth }, worker))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / (to - from)
}

function settledMemory(): number {
  for (let round = 0; round < 3; round++) globalThis.gc?.()
  return process.memoryUsage.rss()
}

if (import.meta.main) {
  const [partitions = '256', files = '20000'] = process.argv.slice(2)
  console.log(JSON.stringify(await crowd(Number(partitions), Number(files))))
  process.exit()
}
