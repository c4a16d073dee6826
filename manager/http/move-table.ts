/** Partitions that are on their way, one row each. Pure. */
import { formatBytes } from '../../network/format/bytes.ts'
import { html, type Markup } from './html.ts'
import type { ClusterSummary, MoveSummary } from './summary.ts'
import { counted } from './words.ts'

/** Nothing where nothing moves. */
export function moveSection({ moves, movesWaiting, frozen }: ClusterSummary): Markup {
  if (moves.length === 0 && movesWaiting === 0 && frozen === null) return html``
  const held =
    frozen === null ? html`` : html`<p><strong class="bad">Held up:</strong> ${frozen}.</p>`
  const later =
    movesWaiting === 0
      ? html``
      : html`<p class="soft">${counted(movesWaiting, 'partition')} to move later.</p>`
  return html`<h2>Moves</h2>
${held}${moves.length === 0 ? html`` : table(moves)}
${later}`
}

function table(moves: readonly MoveSummary[]): Markup {
  return html`<div class="sheet"><table>
<thead><tr><th class="number">Partition</th><th>From</th><th>To</th><th>Progress</th></tr></thead>
<tbody>
${moves.map(row)}
</tbody></table></div>`
}

function row({ partition, from, to, ...move }: MoveSummary): Markup {
  return html`<tr><td class="number">${partition}</td><td><bdi>${from ?? '–'}</bdi></td><td><bdi>${to}</bdi></td>
<td class="disk">${progress(move)}</td></tr>
`
}

function progress({
  phase,
  doneBytes,
  totalBytes,
  held,
}: Omit<MoveSummary, 'partition' | 'from' | 'to'>): Markup {
  if (held !== undefined) return html`<strong class="bad">Held up:</strong> ${held}`
  if (phase === 'handing over') return html`handing over`
  if (totalBytes === 0) return html`<span class="soft">beginning</span>`
  const percent = `${(Math.min(1, doneBytes / totalBytes) * 100).toFixed(1)}%`
  return html`<div class="ok">${formatBytes(doneBytes)} <span class="soft">of ${formatBytes(totalBytes)}</span>
<svg role="img" aria-label="${percent} done"><rect width="${percent}" height="100%"/></svg></div>`
}
