/** What memory and time the processes below another one have taken, as Linux counts it (proc(5)). */
import { readdirSync, readFileSync } from 'node:fs'

interface Running {
  readonly pid: number
  readonly parent: number
  /** In user mode and in the kernel. */
  readonly ticks: number
}

/** @returns for each process its role and its resident memory. */
export function memoryBelow(root: number): string {
  return below(root)
    .map(({ pid }) => `${nameOf(pid)} ${residentMiB(pid)}`)
    .join(', ')
}

/** Milliseconds of processor time that they have taken together, which others on the machine do not lengthen. */
export function processorMsBelow(root: number): number {
  return below(root).reduce((sum, { ticks }) => sum + ticks * tickMs, 0)
}

/** USER_HZ is 100 on every architecture that Node runs on. */
const tickMs = 10

function below(root: number): Running[] {
  const found = new Set([root])
  return processes().filter(({ pid, parent }) => {
    if (found.has(parent)) found.add(pid)
    return pid !== root && found.has(pid)
  })
}

/** Parents before their children, as numbers rise. */
function processes(): Running[] {
  const running: Running[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = read(`/proc/${name}/stat`).split(') ').at(-1)?.split(' ') ?? []
    const ticks = Number(fields[11]) + Number(fields[12])
    running.push({ pid: Number(name), parent: Number(fields[1]), ticks })
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
