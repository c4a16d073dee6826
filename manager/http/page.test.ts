import test from 'ava'
import type { ManagerStatusReply } from '../../network/wire/operations.ts'
import type { MemberStatus } from '../../network/wire/view.ts'
import { escapeHtml, html } from './html.ts'
import { managerMetrics } from './metrics.ts'
import { pagePolicy, renderPage } from './page.ts'
import { managerPages } from './pages.ts'
import { summarize } from './summary.ts'

const attack = `<script>alert("1")</script>'&\u0000\u202e`

function member(id: string, more: Partial<MemberStatus> = {}): MemberStatus {
  return {
    id,
    role: 'server',
    name: id,
    addresses: [`tcp://${id}:1`],
    host: 'h',
    domain: 'd',
    weight: 1,
    alive: true,
    silentMs: 0,
    report: null,
    throughput: null,
    peerId: null,
    ...more,
  }
}

function status(members: readonly MemberStatus[], primaries: readonly (string | null)[]) {
  const partitions = primaries.map(primary => {
    const replicas = primary === null ? [] : [primary]
    return { replicas, inSync: replicas, primary, epoch: 1 }
  })
  const view = { cluster: 'c', epoch: 7, members, partitions, replicaCount: 1 }
  const still = { draining: [], moves: [], movesWaiting: 0, frozen: null }
  const reply: ManagerStatusReply = {
    ...{ cluster: 'c', view, members, serversWanted: 2, page: null },
    ...still,
  }
  return reply
}

const disk = { kind: 'data', path: '/d', totalBytes: 1000, freeBytes: 250, usedBytes: 10 } as const
const report = { disks: [{ ...disk, state: 'ok' as const }], inodes: 3, blocks: 4 }

test('whatever is put into a template is text, but for what a template made', t => {
  t.is(escapeHtml(`<&>"'\u0000\u001b\ud800`), '&lt;&amp;&gt;&quot;&#39;\ufffd\ufffd\ufffd')
  t.is(
    html`<p a="${'"'}">${[html`<b>${'<'}</b>`, html``]}${1}</p>`.text,
    '<p a="&quot;"><b>&lt;</b>1</p>',
  )
})

test('nothing that a member says of itself becomes markup', t => {
  const disks = [{ ...disk, path: attack, state: 'ok' as const }]
  const bad = {
    name: attack,
    addresses: [attack],
    domain: attack,
    report: { ...report, disks },
  }
  const page = renderPage(
    summarize(
      status([member(attack, bad), member('m', { role: 'client', name: attack })], [attack]),
    ),
  )
  t.notRegex(page, /<script/)
  t.false(page.includes('\0'))
  t.is(page.split('&lt;script&gt;').length - 1, 5)
})

test('the page loads nothing and runs nothing', t => {
  const page = renderPage(summarize(status([member('a')], ['a'])))
  t.notRegex(page, /src=|<link|url\(|@import|<script|style="|https?:/)
  t.regex(pagePolicy, /^default-src 'none';.*style-src 'sha256-[A-Za-z0-9+/]{43}='$/)
})

test('a cluster that is well says so', t => {
  const page = renderPage(summarize(status([member('a', { report }), member('b')], ['a', 'b'])))
  t.regex(page, /all is well/)
  t.regex(page, /<title>Rookery<\/title>/)
  t.regex(page, /width="75\.0%"/)
  t.regex(page, /250 B free/)
})

test('a server that is down is told first, with the partitions that went with it', t => {
  const dead = member('b', { alive: false, silentMs: 300_000, report })
  const summary = summarize(status([member('a'), dead], ['a', 'b', 'b', null]))
  t.is(summary.partitionsDown, 3)
  const page = renderPage(summary)
  t.regex(page, /<title>1 server down, 3 partitions with it – Rookery<\/title>/)
  t.regex(page, /down for 5 min/)
})

test('a disk that is full or has failed is told', t => {
  for (const state of ['full', 'failed'] as const) {
    const page = renderPage(
      summarize(
        status([member('a', { report: { ...report, disks: [{ ...disk, state }] } })], ['a']),
      ),
    )
    t.regex(page, /1 disk in trouble/)
    t.regex(page, new RegExp(`<strong class="bad">${state}</strong>`))
  }
})

test('figures that make no sense still make a page', t => {
  const odd = { ...disk, totalBytes: 0, freeBytes: 1e300, usedBytes: 0, state: 'ok' as const }
  const page = renderPage(
    summarize(status([member('a', { report: { ...report, disks: [odd] } })], [])),
  )
  t.notRegex(page, /NaN|Infinity|undefined|width="-/)
})

test('a cluster that waits for servers says for how many', t => {
  const reply = { ...status([member('a')], []), view: null }
  t.regex(renderPage(summarize(reply)), /waiting for servers: 1 of 2/)
})

test('a crowd of clients is counted where it is not listed', t => {
  const crowd = Array.from({ length: 600 }, (_, index) => member(`c${index}`, { role: 'client' }))
  const page = renderPage(summarize(status([member('a'), ...crowd], ['a'])))
  t.regex(page, /And 88 more/)
  t.is(page.split('<bdi>').length - 1, 512 + 2)
})

test('status.json is what the page shows', async t => {
  const reply = status([member('b10'), member('b9', { report })], ['b9'])
  const page = await managerPages(() => reply).get('/status.json')!()
  t.regex(page.type, /^application\/json/)
  t.deepEqual(JSON.parse(page.body), JSON.parse(JSON.stringify(summarize(reply))))
  t.deepEqual(
    summarize(reply).servers.map(({ name }) => name),
    ['b9', 'b10'],
  )
})

test('two servers of one name have metrics of their own', t => {
  const both = [member('1', { name: 'x' }), member('2', { name: 'x', alive: false })]
  const metrics = managerMetrics(summarize(status(both, ['1'])), { open: 1, refused: 2 })
  const up = metrics.find(({ name }) => name === 'rookery_server_up')
  t.deepEqual(up?.kind === 'gauge' && up.samples, [
    { labels: { server: 'x', id: '1' }, value: 1 },
    { labels: { server: 'x', id: '2' }, value: 0 },
  ])
  t.is(new Set(metrics.map(({ name }) => name)).size, metrics.length)
})

test('moves are shown with their progress, and what drains or is held up', t => {
  const servers = [member('a'), member('b')]
  const moves = [
    { partition: 7, source: 'a', target: 'b', phase: 'copying', doneBytes: 512, totalBytes: 2048 },
    { partition: 8, source: null, target: 'b', phase: 'handing over', doneBytes: 0, totalBytes: 0 },
    {
      partition: 9,
      source: 'a',
      target: 'b',
      phase: 'copying',
      doneBytes: 0,
      totalBytes: 0,
      held: 'a <record>',
    },
  ] as const
  const more = { draining: ['a'], moves, movesWaiting: 3, frozen: 'too many fail <now>' }
  const summary = summarize({ ...status(servers, ['a', 'a']), ...more })
  const page = renderPage(summary)
  t.regex(page, /25\.0%/)
  t.regex(page, /handing over/)
  t.regex(page, /3 partitions to move later/)
  t.regex(page, /too many fail &lt;now&gt;/)
  t.regex(page, /drains/)
  t.regex(page, /Held up:<\/strong> a &lt;record&gt;/)
  const metrics = managerMetrics(summary, { open: 1, refused: 0 })
  const figure = (name: string) => {
    const found = metrics.find(metric => metric.name === name)
    return found !== undefined && 'samples' in found ? found.samples[0]?.value : undefined
  }
  t.is(figure('rookery_moves'), 2)
  t.is(figure('rookery_moves_held'), 1)
  t.is(figure('rookery_move_left_bytes'), 1536)
  t.is(figure('rookery_frozen'), 1)
  t.is(figure('rookery_server_drains'), 1)
})
