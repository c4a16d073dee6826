/** Whether this machine lets processes read each other: seccomp may shut the call off, and Yama what is not root's. */
import { readFileSync } from 'node:fs'
import { fetchFrom, placesOf } from './process-memory.ts'

/** Of this very process. */
export const canFetch = canFetchHere()
/** Of any other of the same user. */
export const canFetchOthers = canFetch && (process.getuid?.() === 0 || yamaScope() === 0)

function canFetchHere(): boolean {
  const pieces = [Buffer.from('there')]
  const found = Buffer.alloc(5)
  return fetchFrom(process.pid, placesOf(pieces), found) === 0 && found.equals(pieces[0]!)
}

function yamaScope(): number {
  try {
    return Number(readFileSync('/proc/sys/kernel/yama/ptrace_scope', 'latin1'))
  } catch {
    // A kernel without it.
    return 0
  }
}
