/** What each member should hold: its share by weight, but nothing twice. */

/**
 * Divides `copies` copies of everything among members in proportion to their weights. A member heavier
 * than one whole copy holds one, and the others share the rest.
 * @returns how many copies (0 to 1) each holds; they add up to `copies`, or to the number of members.
 */
export function fairShares(weights: readonly number[], copies: number): number[] {
  const shares = weights.map(() => 1)
  let left = Math.min(copies, weights.length)
  let open = weights.map((_, index) => index)
  while (open.length > 0) {
    const sum = open.reduce((total, index) => total + weights[index]!, 0)
    const perWeight = left / sum
    const heavy = open.filter(index => weights[index]! * perWeight >= 1)
    if (heavy.length === 0) {
      for (const index of open) shares[index] = weights[index]! * perWeight
      break
    }
    left -= heavy.length
    open = open.filter(index => weights[index]! * perWeight < 1)
  }
  return shares
}
