/** Bars in groups: each group has a scale of its own, its longest bar as long as any. */
import { colourOf, drawing, element, text } from './svg.ts'

export interface BarGroup {
  readonly name: string
  readonly unit: string
  /** One for each series, in their order. */
  readonly values: readonly number[]
}

export interface BarPlot {
  readonly title: string
  /** Below the title. */
  readonly note: string
  readonly series: readonly string[]
  readonly groups: readonly BarGroup[]
}

const width = 860
const labelWidth = 150
const barWidth = 520
const barHeight = 14
const groupGap = 10
const lineHeight = 18
const headHeight = 58

export function drawBars({ title, note, series, groups }: BarPlot): string {
  const top = headHeight + series.length * lineHeight + groupGap
  const groupHeight = series.length * barHeight + groupGap
  const height = top + groups.length * groupHeight + groupGap
  return drawing(
    { width, height, title },
    text(16, 26, title, { size: 17, weight: 'bold' }),
    text(16, 46, note, { colour: '#666' }),
    ...series.map((name, index) => legend(name, index)),
    ...groups.map((group, index) => drawGroup(group, top + index * groupHeight)),
  )
}

function legend(name: string, index: number): string {
  const y = headHeight + index * lineHeight
  const box = element('rect', { x: 16, y, width: 12, height: 12, fill: colourOf(index) })
  return box + text(34, y + 11, name)
}

function drawGroup({ name, unit, values }: BarGroup, top: number): string {
  const longest = Math.max(...values)
  const first = values[0] ?? 0
  const middle = top + (values.length * barHeight) / 2 + 4
  const bars = values.map((value, index) => {
    const y = top + index * barHeight
    const long = longest > 0 ? (barWidth * value) / longest : 0
    const bar = { x: labelWidth, y, width: long, height: barHeight - 2, fill: colourOf(index) }
    const ratio = index === 0 || value === 0 ? '' : `  (1 : ${(first / value).toFixed(2)})`
    const label = `${figure(value)} ${unit}${ratio}`
    return element('rect', bar) + text(labelWidth + long + 6, y + 10, label, { size: 11 })
  })
  return text(labelWidth - 8, middle, name, { anchor: 'end' }) + bars.join('')
}

/** Three digits or more. */
export function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 3)
}
