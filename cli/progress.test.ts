import { PassThrough } from 'node:stream'
import test from 'ava'
import { startProgress } from './progress.ts'

test('a name cannot command the terminal, nor take two lines', t => {
  const stream = new PassThrough()
  const progress = startProgress({ total: 2, unit: 'bytes', quiet: false }, stream)
  progress.advance(1, '')
  progress.advance(1, '/a\n\x1b[31mb')
  progress.end()
  t.is(`${stream.read()}`, '/a\\x0a\\x1b[31mb\n')
})
