import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { realEnv } from '../env/real.ts'
import { addressesFor, bootIdentity, hostIdentity } from './host.ts'

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

test('the identity of a boot stays while the machine runs, and is another after it', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'rookery-boot-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const file = join(directory, 'boot_id')
  const { random } = realEnv()
  await writeFile(file, '01234567-89ab\n')
  t.is(await bootIdentity(random, file), '01234567-89ab')
  t.is(await bootIdentity(random, file), '01234567-89ab')
  await writeFile(file, 'fedcba98-7654\n')
  t.is(await bootIdentity(random, file), 'fedcba98-7654')
})

test('a machine that does not tell its boot counts as started again each time', async t => {
  const { random } = realEnv()
  const absent = join(tmpdir(), 'rookery-no-such-file')
  t.not(await bootIdentity(random, absent), await bootIdentity(random, absent))
})
