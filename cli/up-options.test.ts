import test from 'ava'
import { Failure } from './failure.ts'
import type { UpOptions } from './up.ts'
import { checkOptions } from './up-options.ts'

const plain: UpOptions = { home: '/h', volume: 'default', fuse: 'direct', logLevel: 'info' }

test('options that go together are taken', t => {
  t.notThrows(() => checkOptions(plain))
  t.notThrows(() => checkOptions({ ...plain, tls: true, port: 65_532, servers: 3 }))
  t.notThrows(() => checkOptions({ ...plain, http: 0, transport: 'libp2p', port: 7000 }))
})

test('options that cannot work are refused as not understood', t => {
  const wrong: Partial<UpOptions>[] = [
    { tls: true },
    { transport: 'libp2p' },
    { tls: true, transport: 'libp2p', port: 7000 },
    { port: 65_535 },
    { port: 65_533, servers: 3 },
    { http: 65_530, servers: 9 },
  ]
  if (process.getuid?.() === 0) wrong.push({ suid: true, fuse: 'fuse-native' })
  for (const options of wrong) {
    const error = t.throws(() => checkOptions({ ...plain, ...options }), { instanceOf: Failure })
    t.is(error?.exitCode, 2, JSON.stringify(options))
  }
})
