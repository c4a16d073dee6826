/**
 * The page of a cluster for people: one document, made anew for each look, that loads nothing else and
 * runs no script. Pure.
 */
import { createHash } from 'node:crypto'
import { formatBytes } from '../../network/format/bytes.ts'
import { maxPageRows } from '../../network/limits.ts'
import { html, Markup } from './html.ts'
import { moveSection } from './move-table.ts'
import { serverTable } from './server-table.ts'
import { style } from './style.ts'
import type { ClientSummary, ClusterSummary } from './summary.ts'
import { counted, forHowLong, state } from './words.ts'

/** How often a browser looks again. */
const refreshSeconds = 5

/** Our own style is the only thing that the page may use, whatever somebody smuggled into it. */
export const pagePolicy =
  "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`

export function renderPage(summary: ClusterSummary): string {
  const { cluster, servers, clients } = summary
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="${refreshSeconds}">
<title>${titleOf(summary)}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<main>
<header><h1>Rookery</h1>${verdict(summary)}<code>${cluster}</code></header>
${figures(summary)}
<h2>Servers</h2>
${servers.length === 0 ? html`<p class="soft">None has joined yet.</p>` : serverTable(servers)}
${moveSection(summary)}
<h2>Mounts and other clients</h2>
${clients.length === 0 ? html`<p class="soft">None.</p>` : clientTable(clients)}
<footer>Looked at again every ${refreshSeconds} seconds. For programs:
<a href="/status.json">status.json</a>, <a href="/metrics">metrics</a>.</footer>
</main>
</body>
</html>
`.text
}

function titleOf(summary: ClusterSummary): string {
  const { level, text } = judge(summary)
  return level === 'good' ? 'Rookery' : `${text} – Rookery`
}

function verdict(summary: ClusterSummary): Markup {
  const { level, text } = judge(summary)
  return state(level, text)
}

interface Verdict {
  readonly level: 'good' | 'warn' | 'bad'
  readonly text: string
}

/** What a person should know first. */
function judge(summary: ClusterSummary): Verdict {
  const { epoch, servers, serversWanted, partitionsDown, partitionsLacking } = summary
  const down = servers.filter(({ alive }) => !alive).length
  if (epoch === 0) {
    return { level: 'warn', text: `waiting for servers: ${servers.length} of ${serversWanted}` }
  }
  if (down > 0) {
    const partitions = partitionsDown > 0 ? `, ${counted(partitionsDown, 'partition')} with it` : ''
    return { level: 'bad', text: `${counted(down, 'server')} down${partitions}` }
  }
  const troubled = servers.flatMap(({ disks }) => disks).filter(disk => disk.state !== 'ok').length
  if (troubled > 0) return { level: 'bad', text: `${counted(troubled, 'disk')} in trouble` }
  if (partitionsLacking > 0) {
    return { level: 'warn', text: `${counted(partitionsLacking, 'partition')} short of copies` }
  }
  const held = summary.moves.filter(move => move.held !== undefined).length
  if (held > 0) return { level: 'bad', text: `${counted(held, 'move')} held up by damage` }
  const moving = summary.moves.length + summary.movesWaiting
  if (moving > 0) return { level: 'good', text: `all is well, ${counted(moving, 'move')} to go` }
  return { level: 'good', text: 'all is well' }
}

function figures({ servers, clients, partitions, epoch, replicas }: ClusterSummary): Markup {
  const data = servers.flatMap(({ disks }) => disks).filter(({ kind }) => kind === 'data')
  const flowing = servers.flatMap(({ throughput }) => throughput ?? [])
  const up = servers.filter(({ alive }) => alive).length
  return html`<dl>
${figure('Servers up', html`${up} <small>of ${servers.length}</small>`)}
${figure('Clients', html`${clients.filter(({ alive }) => alive).length}`)}
${figure('Inodes', html`${sum(servers.map(({ inodes }) => inodes ?? 0)).toLocaleString('en')}`)}
${figure('Data', html`${formatBytes(sum(data.map(disk => disk.usedBytes)))}`)}
${figure('Read', rate(flowing.map(flow => flow.readBytes)))}
${figure('Written', rate(flowing.map(flow => flow.writtenBytes)))}
${figure('Partitions', html`${partitions} <small>${replicas > 1 ? `${replicas} copies, ` : ''}epoch ${epoch}</small>`)}
</dl>`
}

function figure(title: string, value: Markup): Markup {
  return html`<div><dt>${title}</dt><dd>${value}</dd></div>`
}

function rate(bytes: readonly number[]): Markup {
  return bytes.length === 0 ? html`–` : html`${formatBytes(Math.round(sum(bytes)))}/s`
}

function clientTable(clients: readonly ClientSummary[]): Markup {
  const more = clients.length - maxPageRows
  return html`<div class="sheet"><table>
<thead><tr><th>Client</th><th>State</th><th>Id</th></tr></thead>
<tbody>
${clients.slice(0, maxPageRows).map(clientRow)}
</tbody></table></div>
${more > 0 ? html`<p class="soft">And ${more} more.</p>` : html``}`
}

function clientRow({ name, id, alive, silentMs }: ClientSummary): Markup {
  const shown = alive ? state('good', 'up') : state('bad', `silent for ${forHowLong(silentMs)}`)
  return html`<tr><th><bdi>${name}</bdi></th><td>${shown}</td><td><code>${id}</code></td></tr>
`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
