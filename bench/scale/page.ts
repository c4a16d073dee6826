/** Figures of scale as tables and plots. */
import { formatBytes } from '../../network/format/bytes.ts'
import { drawLines, type LinePlot } from '../plot/lines.ts'
import type { CrowdFigures } from './crowd.ts'
import type { PlacementFigures } from './placement.ts'
import type { ViewFigures } from './views.ts'

export interface Figures {
  readonly placement: readonly PlacementFigures[]
  readonly views: readonly ViewFigures[]
  /** Of one server, by its partitions. */
  readonly crowds: readonly CrowdFigures[]
}

export function tablesOf({ placement, views, crowds }: Figures): string {
  return [
    table(
      'servers | partitions | fullest / mean | emptiest / mean | idle | moved by a join / fair share | by a leave | computed in',
      placement.map(each => [
        ...[each.servers, each.partitions, ratio(each.mostLoad), ratio(each.leastLoad), each.idle],
        ...[ratio(each.movedByJoin), ratio(each.movedByLeave), ms(each.computeMs)],
      ]),
    ),
    table(
      'servers | partitions | view | fits a frame | encoded in | decoded in | told to all: processor | bytes',
      views.map(each => [
        ...[each.servers, each.partitions, formatBytes(each.bytes), each.fits ? 'yes' : 'no'],
        ...[ms(each.encodeMs), ms(each.decodeMs), ms(each.tellAllMs)],
        formatBytes(each.tellAllBytes),
      ]),
    ),
    table(
      'partitions of one server | files | a create | a stat | memory of a million files more',
      crowds.map(each => [
        ...[each.partitions, each.files, ms(each.createMs), ms(each.statMs)],
        each.memoryBytesPerMillion === null
          ? 'not measured'
          : formatBytes(Math.max(0, Math.round(each.memoryBytesPerMillion))),
      ]),
    ),
  ].join('\n')
}

/** By file name. */
export function plotsOf({ placement, views, crowds }: Figures): {
  readonly [name: string]: string
} {
  const byServers = (title: string, yTitle: string) => ({ title, xTitle: 'servers', yTitle })
  return {
    'balance.svg': drawLines({
      ...byServers('Load of the fullest server, 3 replicas', 'times the mean'),
      yScale: 'log',
      lines: linesOf(placement, 'fullest', each => each.mostLoad),
    }),
    'movement.svg': drawLines({
      ...byServers('Replicas moved when one server joins or leaves', 'times its fair share'),
      yScale: 'linear',
      lines: [
        ...linesOf(placement, 'join', each => each.movedByJoin),
        ...linesOf(placement, 'leave', each => each.movedByLeave),
      ],
    }),
    'view.svg': drawLines({
      ...byServers('A view, and what one change sends to all servers', 'bytes'),
      yScale: 'log',
      lines: [
        ...linesOf(views, 'view', each => each.bytes),
        ...linesOf(views, 'told to all', each => each.tellAllBytes),
      ],
    }),
    'compute.svg': drawLines({
      ...byServers('Processor time of the manager for one change', 'ms'),
      yScale: 'log',
      lines: [
        ...linesOf(placement, 'placing', each => each.computeMs),
        ...linesOf(views, 'telling all', each => each.tellAllMs),
      ],
    }),
    'partitions.svg': drawLines({
      title: 'One server by its partitions: processor time, with its client',
      ...{ xTitle: 'partitions', yTitle: 'ms', yScale: 'linear' },
      lines: [
        {
          name: 'create',
          points: crowds.map(({ partitions, createMs }) => ({ x: partitions, y: createMs })),
        },
        {
          name: 'stat',
          points: crowds.map(({ partitions, statMs }) => ({ x: partitions, y: statMs })),
        },
      ],
    }),
  }
}

/** A line for each number of partitions. */
function linesOf<T extends { readonly servers: number; readonly partitions: number }>(
  figures: readonly T[],
  name: string,
  value: (each: T) => number,
): LinePlot['lines'] {
  const counts = [...new Set(figures.map(({ partitions }) => partitions))]
  return counts.map(count => ({
    name: `${name}, ${count} partitions`,
    points: figures
      .filter(({ partitions }) => partitions === count)
      .map(each => ({ x: each.servers, y: value(each) })),
  }))
}

function table(heading: string, rows: readonly (readonly (string | number)[])[]): string {
  const columns = heading.split(' | ')
  const lines = [columns, columns.map(() => '---:'), ...rows.map(row => row.map(String))]
  return `${lines.map(cells => `| ${cells.join(' | ')} |`).join('\n')}\n`
}

function ratio(value: number): string {
  return value.toFixed(2)
}

function ms(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} s`
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(value >= 0.1 ? 2 : 3)} ms`
}
