/** The few pieces of SVG that the plots are made of: written by hand, as no small package draws without a browser. */

type Value = string | number

/** An element with its attributes and what is inside, which is markup already. */
export function element(
  name: string,
  attributes: { readonly [name: string]: Value },
  ...inside: readonly string[]
): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${shown(value)}"`)
  const start = `<${name}${written.join('')}`
  return inside.length === 0 ? `${start}/>` : `${start}>${inside.join('')}</${name}>`
}

export interface TextStyle {
  readonly size?: number
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly weight?: 'bold'
  readonly colour?: string
}

export function text(x: number, y: number, words: string, style: TextStyle = {}): string {
  const { size = 12, anchor = 'start', weight, colour = '#222' } = style
  const attributes = { x, y, 'font-size': size, 'text-anchor': anchor, fill: colour }
  const bold = weight === undefined ? {} : { 'font-weight': weight }
  return element('text', { ...attributes, ...bold }, escapeText(words))
}

export interface Sheet {
  readonly width: number
  readonly height: number
  /** For those who cannot see it. */
  readonly title: string
}

/** A whole document on white, so that it can be read on a dark page too. */
export function drawing(sheet: Sheet, ...inside: readonly string[]): string {
  const { width, height, title } = sheet
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    'font-family': 'system-ui, sans-serif',
  }
  const background = element('rect', { width, height, fill: 'white' })
  return `${element('svg', attributes, '\n', [element('title', {}, escapeText(title)), background, ...inside].join('\n'), '\n')}\n`
}

/** Told apart by people who do not see all colours, too (Okabe and Ito, 2008). */
export const colours = [
  '#0072b2',
  '#e69f00',
  '#009e73',
  '#cc79a7',
  '#56b4e9',
  '#d55e00',
  '#999999',
] as const

export function colourOf(index: number): string {
  return colours[index % colours.length] ?? colours[0]
}

function shown(value: Value): string {
  return typeof value === 'number' ? `${Math.round(value * 100) / 100}` : escapeText(value)
}

function escapeText(words: string): string {
  return words
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
