import test from 'ava'
import { Failure } from './failure.ts'
import { listeningOn } from './listening.ts'

const addresses = ['unix:/run/x.sock', 'tcp://[::1]:7401', 'tcp://h:1']

test('addresses stay as they are unless something else is asked for', t => {
  t.deepEqual(listeningOn(addresses, {}), addresses)
  t.deepEqual(listeningOn(addresses, { transport: 'socket' }), addresses)
})

test('what travels by TCP is encrypted as asked, and nothing else is changed', t => {
  t.deepEqual(listeningOn(addresses, { tls: true }), [
    'unix:/run/x.sock',
    'tls://[::1]:7401',
    'tls://h:1',
  ])
  t.deepEqual(listeningOn(addresses, { transport: 'libp2p' }), [
    'unix:/run/x.sock',
    'libp2p://[::1]:7401',
    'libp2p://h:1',
  ])
  t.deepEqual(listeningOn(['tls://h:1'], { tls: true }), ['tls://h:1'])
})

test('encryption of nothing, or twice, is refused', t => {
  const bad = { instanceOf: Failure }
  t.throws(() => listeningOn(['unix:/x'], { tls: true }), { ...bad, message: /--listen HOST:PORT/ })
  t.throws(() => listeningOn(['unix:/x'], { transport: 'libp2p' }), bad)
  t.throws(() => listeningOn(addresses, { tls: true, transport: 'libp2p' }), bad)
})
