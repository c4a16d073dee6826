/** What memory the processes below another one have, as Linux counts it (proc(5)). */
import { readdirSync, readFileSync } from 'node:fs'

interface Running {
  readonly pid: number
  readonly parent: number
}

/** @returns for each process its last arguments and its resident memory. */
export function memoryBelow(root: number): string {
  const running = processes()
  const below = new Set([root])
  for (const { pid, parent } of running) if (below.has(parent)) below.add(pid)
  below.delete(root)
  return [...below].map(pid => `${nameOf(pid)} ${residentMiB(pid)}`).join(', ')
}

/** Parents before their children, as numbers rise. */
function processes(): Running[] {
  const running: Running[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = read(`/proc/${name}/stat`).split(') ').at(-1)?.split(' ') ?? []
    running.push({ pid: Number(name), parent: Number(fields[1]) })
  }
  return running.sort((a, b) => a.pid - b.pid)
}

function nameOf(pid: number): string {
  const words = read(`/proc/${pid}/cmdline`).split('\0')
  return words.find(word => /^(run-)?(manager|server|mount)/.test(word)) ?? words[0] ?? 'process'
}

function residentMiB(pid: number): string {
  const kibibytes = /VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1]
  return kibibytes === undefined ? '?' : `${Math.round(Number(kibibytes) / 1024)} MiB`
}

/** Empty for a process that has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    // Gone: there is nothing to tell.
    return ''
  }
}
