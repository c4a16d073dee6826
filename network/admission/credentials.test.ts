import test from 'ava'
import { makeIdentity } from '../identity/identity.ts'
import { Authority } from './authority.ts'
import type { Certificate } from './contract.ts'
import { MemberCredentials } from './credentials.ts'

const identity = await makeIdentity()
const { peerId } = identity
const make = () =>
  new MemberCredentials({
    identity,
    certificate: null,
    cluster: 'c',
    authority: Authority.make().publicKey,
    secret: null,
  })
const certificate = (serial: number): Certificate => ({
  cluster: 'c',
  peerId,
  role: 'client',
  serial,
  issuedS: 0,
})

test('who was removed stays so, and comes back with a newer certificate only', t => {
  const credentials = make()
  credentials.remove([{ peerId, serial: 5 }])
  credentials.remove([{ peerId, serial: 4 }])
  credentials.remove([])
  t.true(credentials.isRemoved(certificate(4)))
  t.true(credentials.isRemoved(certificate(5)))
  t.false(credentials.isRemoved(certificate(6)))
})

test('whoever listens hears of removals, once each', t => {
  const credentials = make()
  let heard = 0
  const stop = credentials.onRemoval(() => heard++)
  credentials.remove([{ peerId, serial: 5 }])
  credentials.remove([{ peerId, serial: 5 }])
  t.is(heard, 1)
  stop()
  credentials.remove([{ peerId, serial: 6 }])
  t.is(heard, 1)
})
