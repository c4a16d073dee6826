import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { addressesFor, hostIdentity } from './host.ts'

const addresses = ['tcp://10.0.0.1:7401', 'unix:/run/a.sock', 'tcp://10.1.0.1:7401']

test('on the same machine Unix sockets come first', t => {
  const order = addressesFor({ addresses, host: 'h1' }, 'h1')
  t.deepEqual(order, ['unix:/run/a.sock', 'tcp://10.0.0.1:7401', 'tcp://10.1.0.1:7401'])
})

test("another machine's Unix sockets are not dialled", t => {
  const order = addressesFor({ addresses, host: 'h1' }, 'h2')
  t.deepEqual(order, ['tcp://10.0.0.1:7401', 'tcp://10.1.0.1:7401'])
})

test('the identity of a host is stable, and does not give away the machine id', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-host-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const file = join(directory, 'machine-id')
  const other = join(directory, 'other')
  await writeFile(file, '0123456789abcdef0123456789abcdef\n')
  await writeFile(other, 'fedcba9876543210fedcba9876543210\n')
  const identity = await hostIdentity([join(directory, 'absent'), file])
  t.regex(identity.id, /^[0-9a-f]{32}$/)
  t.not(identity.id, '0123456789abcdef0123456789abcdef')
  t.deepEqual(await hostIdentity([file]), identity)
  t.not((await hostIdentity([other])).id, identity.id)
})

test('the identity of this host can be had', async t => {
  t.deepEqual(await hostIdentity(), await hostIdentity())
})
