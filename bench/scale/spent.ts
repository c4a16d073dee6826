/** Processor time, which others on the machine do not lengthen as they do the time on the wall. */

export interface Spent<T> {
  readonly result: T
  /** User and system time of this process. */
  readonly processorMs: number
}

export function spent<T>(work: () => T): Spent<T> {
  const before = process.cpuUsage()
  const result = work()
  const { user, system } = process.cpuUsage(before)
  return { result, processorMs: (user + system) / 1000 }
}
