/** The servers of the page, one row each. Pure. */
import { formatBytes } from '../../network/format/bytes.ts'
import { maxPageRows } from '../../network/limits.ts'
import type { DiskReport } from '../../network/wire/view.ts'
import { html, type Markup } from './html.ts'
import type { ServerSummary } from './summary.ts'
import { counted, forHowLong, state } from './words.ts'

export function serverTable(servers: readonly ServerSummary[]): Markup {
  const more = servers.length - maxPageRows
  return html`<div class="sheet"><table>
<thead><tr><th>Server</th><th>State</th><th class="number">Partitions</th><th class="number">Inodes</th>
<th class="number">Blocks</th><th class="number">Read, written</th><th>Metadata disk</th><th>Data disk</th></tr></thead>
<tbody>
${servers.slice(0, maxPageRows).map(row)}
</tbody></table></div>
${more > 0 ? html`<p class="soft">And ${more} more.</p>` : html``}`
}

function row(server: ServerSummary): Markup {
  const { name, domain, addresses, alive, silentMs, drains, partitions, copies } = server
  const { inodes, blocks } = server
  const shown = alive ? state('good', 'up') : state('bad', `down for ${forHowLong(silentMs)}`)
  const leaving = drains ? html`<br>${state('warn', copies === 0 ? 'empty' : 'drains')}` : html``
  return html`<tr><th><bdi>${name}</bdi><br><code>${addresses.join(' ') || 'no address'}</code></th>
<td>${shown}${leaving}<br><small class="soft">in <bdi>${domain}</bdi></small></td>
<td class="number">${partitions}<br><small class="soft">${counted(copies, 'copy')}</small></td><td class="number">${count(inodes)}</td>
<td class="number">${count(blocks)}</td><td class="number">${flow(server)}</td>
<td class="disk">${disksOf(server, 'meta')}</td><td class="disk">${disksOf(server, 'data')}</td></tr>
`
}

function count(number: number | null): string {
  return number === null ? '–' : number.toLocaleString('en')
}

function flow({ throughput }: ServerSummary): Markup {
  if (throughput === null) return html`–`
  const { readBytes, writtenBytes } = throughput
  return html`${formatBytes(Math.round(readBytes))}/s<br>${formatBytes(Math.round(writtenBytes))}/s`
}

function disksOf({ disks }: ServerSummary, kind: DiskReport['kind']): readonly Markup[] {
  const found = disks.filter(disk => disk.kind === kind)
  return found.length === 0 ? [html`<span class="soft">not known</span>`] : found.map(disk)
}

/** What others have on the disk counts as used too: it is not there for us. */
function disk({ path, totalBytes, freeBytes, state }: DiskReport): Markup {
  const share = totalBytes > 0 ? Math.min(1, Math.max(0, 1 - freeBytes / totalBytes)) : 0
  const percent = `${(share * 100).toFixed(1)}%`
  const trouble = state === 'ok' ? html`` : html`<strong class="bad">${state}</strong>, `
  return html`<div class="${state === 'ok' ? 'ok' : 'bad'}">${trouble}${formatBytes(freeBytes)} free
<span class="soft">of ${formatBytes(totalBytes)}</span>
<svg role="img" aria-label="${percent} used"><rect width="${percent}" height="100%"/></svg>
<code>${path}</code></div>`
}
