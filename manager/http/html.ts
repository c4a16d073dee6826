/** HTML in template literals: whatever is put in is text, unless it was made here itself. */

/** What may stand in a page as it is. Made by `html`, or of text that is our own. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Part = string | number | Markup | readonly Markup[]

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** For text and for quoted attributes; what no page may hold shows as U+FFFD. */
export function escapeHtml(text: string): string {
  return text
    .replace(/[&<>"']/g, found => entities[found]!)
    .replace(/[^\P{Cc}\t\n\r]/gu, '\ufffd')
    .toWellFormed()
}

export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  let text = strings[0]!
  for (const [index, part] of parts.entries()) text += textOf(part) + strings[index + 1]!
  return new Markup(text)
}

function textOf(part: Part): string {
  if (part instanceof Markup) return part.text
  if (typeof part === 'object') return part.map(({ text }) => text).join('')
  return escapeHtml(String(part))
}
