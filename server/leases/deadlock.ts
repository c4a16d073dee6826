/** Who waits for whom: whether one more wait would close a circle (EDEADLK of fcntl(2)). Pure. */

/**
 * @param blockersOf the owners that a wait waits for.
 * @param waitsOf the waits of an owner.
 * @returns whether some blocker of `wait`, directly or by its own waits, waits for `owner`.
 */
export function closesCircle<W>(
  owner: string,
  wait: W,
  blockersOf: (wait: W) => readonly string[],
  waitsOf: (owner: string) => readonly W[],
): boolean {
  const seen = new Set<string>()
  const pending = [wait]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const blocker of blockersOf(next)) {
      if (blocker === owner) return true
      if (seen.has(blocker)) continue
      seen.add(blocker)
      pending.push(...waitsOf(blocker))
    }
  }
  return false
}
