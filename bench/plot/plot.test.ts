import test from 'ava'
import { drawBars } from './bars.ts'
import { drawLines } from './lines.ts'
import { drawing, element, text } from './svg.ts'

test('words and attributes cannot break out of their place', t => {
  t.is(element('a', { b: '"<&>"' }), '<a b="&quot;&lt;&amp;&gt;&quot;"/>')
  t.true(text(1, 2, '<script>').endsWith('>&lt;script&gt;</text>'))
  t.regex(
    drawing({ width: 10, height: 20, title: 'a & b' }),
    /^<svg [^>]*viewBox="0 0 10 20"[^>]*>\n<title>a &amp; b<\/title>\n.*\n<\/svg>\n$/,
  )
})

test('a bar is as long as its value is of the longest in its group', t => {
  const picture = drawBars({
    ...{ title: 'T', note: '', series: ['one', 'two'] },
    groups: [{ name: 'g', unit: 'k', values: [5, 10] }],
  })
  const widths = [...picture.matchAll(/<rect x="150"[^>]* width="([\d.]+)"/g)].map(
    match => match[1],
  )
  t.deepEqual(widths, ['260', '520'])
  t.true(picture.includes('10.0 k  (1 : 0.50)'))
})

test('groups without any value draw nothing that is no number', t => {
  const picture = drawBars({
    ...{ title: 'T', note: '', series: ['one', 'two'] },
    groups: [{ name: 'g', unit: 'k', values: [0, 0] }],
  })
  t.false(/NaN|Infinity/.test(picture))
})

test('lines go through their points on both kinds of axes', t => {
  const plot = {
    ...{ title: 'T', xTitle: 'servers', yTitle: 'ms' },
    lines: [
      {
        name: 'a',
        points: [
          { x: 10, y: 1 },
          { x: 100, y: 10 },
          { x: 1000, y: 100 },
        ],
      },
    ],
  }
  const logarithmic = drawLines({ ...plot, yScale: 'log' })
  t.true(logarithmic.includes('points="70.0,340.0 345.0,195.0 620.0,50.0"'))
  t.true(drawLines({ ...plot, yScale: 'linear' }).includes('points="70.0,337.1 345.0,311.0'))
})

test('a value of 0 lies at the edge of a logarithmic axis', t => {
  const points = [
    { x: 10, y: 0 },
    { x: 100, y: 5 },
  ]
  const plot = { title: '', xTitle: '', yTitle: '', lines: [{ name: '', points }] }
  const picture = drawLines({ ...plot, yScale: 'log' })
  t.false(/NaN|Infinity/.test(picture))
  t.true(picture.includes('points="70.0,340.0 '))
})
