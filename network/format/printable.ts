/** For terminals: text that somebody else has chosen. */

/** Control characters, and those that only change how others are shown. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** So that no name can colour, move or pass for what stands beside it. */
export function printable(text: string): string {
  return text.replaceAll(unseen, '?')
}
