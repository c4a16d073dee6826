/** Lines over a logarithmic x-axis, and a y-axis that is logarithmic or begins at 0. */
import { colourOf, drawing, element, text } from './svg.ts'

export interface Point {
  readonly x: number
  readonly y: number
}

export interface LinePlot {
  readonly title: string
  readonly xTitle: string
  readonly yTitle: string
  readonly yScale: 'log' | 'linear'
  readonly lines: readonly { readonly name: string; readonly points: readonly Point[] }[]
}

const width = 640
const height = 400
const frame = { left: 70, right: 20, top: 50, bottom: 60 }
const legendLine = 16

interface Axis {
  readonly ticks: readonly number[]
  /** From 0 to 1. */
  place(value: number): number
}

export function drawLines({ title, xTitle, yTitle, yScale, lines }: LinePlot): string {
  const points = lines.flatMap(line => line.points)
  const horizontal = logAxis(points.map(({ x }) => x))
  const values = points.map(({ y }) => y)
  const vertical = yScale === 'log' ? logAxis(values) : linearAxis(values)
  const atX = (x: number) => frame.left + horizontal.place(x) * (width - frame.left - frame.right)
  const bottom = height - frame.bottom
  const atY = (y: number) => bottom - vertical.place(y) * (bottom - frame.top)
  const middle = (frame.top + bottom) / 2
  return drawing(
    { width, height, title },
    text(16, 26, title, { size: 15, weight: 'bold' }),
    ...vertical.ticks.map(tick => rule(atY(tick), tick)),
    ...horizontal.ticks.map(tick =>
      text(atX(tick), bottom + 18, short(tick), { anchor: 'middle' }),
    ),
    text(width / 2, height - 16, xTitle, { anchor: 'middle' }),
    element('g', { transform: `rotate(-90 18 ${middle})` }, centred(18, middle, yTitle)),
    ...lines.map(({ points }, index) => drawLine(points, colourOf(index), atX, atY)),
    ...lines.map(({ name }, index) => legend(name, index)),
  )
}

function centred(x: number, y: number, words: string): string {
  return text(x, y, words, { anchor: 'middle' })
}

function rule(y: number, tick: number): string {
  const line = { x1: frame.left, x2: width - frame.right, y1: y, y2: y, stroke: '#ddd' }
  return element('line', line) + text(frame.left - 8, y + 4, short(tick), { anchor: 'end' })
}

function drawLine(
  points: readonly Point[],
  colour: string,
  atX: (x: number) => number,
  atY: (y: number) => number,
): string {
  const path = points.map(({ x, y }) => `${atX(x).toFixed(1)},${atY(y).toFixed(1)}`).join(' ')
  const line = { points: path, fill: 'none', stroke: colour, 'stroke-width': 2 }
  const dots = points.map(({ x, y }) => {
    return element('circle', { cx: atX(x), cy: atY(y), r: 3, fill: colour })
  })
  return element('polyline', line) + dots.join('')
}

function legend(name: string, index: number): string {
  const x = frame.left + 14
  const y = frame.top + 12 + index * legendLine
  const line = { x1: x, x2: x + 18, y1: y - 4, y2: y - 4, stroke: colourOf(index) }
  return element('line', { ...line, 'stroke-width': 3 }) + text(x + 24, y, name, { size: 11 })
}

/** From the power of ten below the least to the one above the greatest; what is not above 0 lies at the edge. */
function logAxis(values: readonly number[]): Axis {
  const positive = values.filter(value => value > 0)
  const low = Math.floor(Math.log10(Math.min(...positive)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive)) - 1e-9))
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)),
    place: value => (value > 0 ? (Math.log10(value) - low) / (high - low) : 0),
  }
}

/** From 0, in steps of 1, 2 or 5 times a power of ten. */
function linearAxis(values: readonly number[]): Axis {
  const greatest = Math.max(...values)
  const rough = greatest / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find(each => each * power >= rough) ?? 10) * power
  const count = Math.ceil(greatest / step - 1e-9)
  return {
    ticks: Array.from({ length: count + 1 }, (_, index) => index * step),
    place: value => value / (count * step),
  }
}

function short(value: number): string {
  if (value >= 1e9) return `${value / 1e9} G`
  if (value >= 1e6) return `${value / 1e6} M`
  if (value >= 1e3) return `${value / 1e3} k`
  return `${Number(value.toPrecision(3))}`
}
