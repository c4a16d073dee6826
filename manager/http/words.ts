/** Small pieces of the page that several of its parts use. */
import { html, type Markup } from './html.ts'

export function state(level: 'good' | 'warn' | 'bad', text: string): Markup {
  return html`<span class="state ${level}">${text}</span>`
}

export function counted(count: number, what: string): string {
  if (count === 1) return `${count} ${what}`
  return `${count} ${what.endsWith('y') ? `${what.slice(0, -1)}ies` : `${what}s`}`
}

/** `12 s`, `5 min`, `3 h`, `2 days`. */
export function forHowLong(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800
    ? `${Math.round(seconds / 3600)} h`
    : `${Math.round(seconds / 86_400)} days`
}
